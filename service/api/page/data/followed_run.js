// A run that is being looked at: how it is, and its history as long as there may be more of it.

import { isOver } from "./job_state.js";
import { nameOf } from "./run_name.js";
import { read } from "./api.js";
import { RunHistory } from "./run_history.js";

export class FollowedRun {
  /** As the API answered last; null before it has. */
  run = null;
  #changed;
  #closing = new AbortController();
  #hearing = null;
  #heardAttempts = -1;
  #isWhole = false;
  #trouble = null;

  /** `changed` is called whenever its history has more to show. */
  constructor(id, changed) {
    this.history = new RunHistory(id);
    this.#changed = changed;
    // A browser opens six connections to a server: pages that nobody looks at leave them to others.
    const hide = () => document.hidden && this.#hearing?.abort();
    document.addEventListener("visibilitychange", hide, { signal: this.#closing.signal });
  }

  get name() {
    return nameOf(this.run);
  }

  /** When it began, or was asked for. */
  get began() {
    return this.run.attempts[0]?.started_at ?? this.run.created_at;
  }

  /** What befell it, and the attempts after its first, in the order of time. */
  get marks() {
    const again = this.run.attempts.slice(1);
    const began = again.map(({ number, started_at: at }) => ({
      at,
      kind: "attempt",
      text: `attempt ${number} began`,
    }));
    return [...this.history.marks, ...began].sort((one, other) => one.at.localeCompare(other.at));
  }

  /** Brings it up to date, as long as not all is known; throws what keeps it from that. */
  async refresh() {
    this.run = await read(`runs/${this.history.id}`);
    const over = isOver(this.run.state);
    const heardAll = over && this.#heardAttempts === this.run.attempts.length;
    if (heardAll && this.#isWhole) return;
    if (!this.#hearing && !heardAll) this.#hear(this.run.attempts.length);
    if (await this.history.catchUp({ needed: over })) this.#changed();
    this.#isWhole = over && heardAll;
    const trouble = this.#trouble;
    this.#trouble = null;
    if (trouble) throw trouble;
  }

  close() {
    this.#closing.abort();
    this.#hearing?.abort();
  }

  /** Listens to what befalls it until it is over; where that breaks off, the next refresh begins again. */
  async #hear(attempts) {
    const hearing = (this.#hearing = new AbortController());
    try {
      await this.history.listen(hearing.signal, this.#changed);
      this.#heardAttempts = attempts;
    } catch (error) {
      if (!hearing.signal.aborted) this.#trouble = error;
    } finally {
      this.#hearing = null;
    }
  }
}
