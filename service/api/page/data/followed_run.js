// The run that is being looked at: how it is, and its history as long as there may be more of it.

import { read } from "./api.js";
import { isOver } from "./job_state.js";
import { ShownRun } from "./shown_run.js";

export class FollowedRun extends ShownRun {
  /** The first one among those that are shown. */
  place = 0;
  #changed;
  #closing = new AbortController();
  #hearing = null;
  #heardAttempts = -1;
  #isWhole = false;
  #trouble = null;

  /** `changed` is called whenever its history has more to show. */
  constructor(id, changed) {
    super(id);
    this.#changed = changed;
    // A browser opens six connections to a server: pages that nobody looks at leave them to others.
    const hide = () => document.hidden && this.#hearing?.abort();
    document.addEventListener("visibilitychange", hide, { signal: this.#closing.signal });
  }

  /** Brings it up to date, as long as not all is known; throws what keeps it from that. */
  async refresh() {
    this.run = await read(`runs/${this.id}`);
    // It may have been left meanwhile, or the page hidden: nobody would end what is begun now.
    if (this.#closing.signal.aborted) return;
    const over = isOver(this.run.state);
    const heardAll = over && this.#heardAttempts === this.run.attempts.length;
    if (heardAll && this.#isWhole) return;
    if (!this.#hearing && !heardAll && !document.hidden) this.#hear(this.run.attempts.length);
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
