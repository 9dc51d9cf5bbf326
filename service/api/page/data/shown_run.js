// A run as charts and tables show it: how it is, how it went, and what it was made with.

import { read, Refusal } from "./api.js";
import { RunHistory } from "./run_history.js";
import { nameOf } from "./run_name.js";

export class ShownRun {
  /** As the API answered last; null before it has. */
  run = null;
  /** The run made complete; null before `readResolved`, and where its folder has lost it. */
  resolved = null;
  #reading = null;

  constructor(id) {
    this.history = new RunHistory(id);
  }

  get id() {
    return this.history.id;
  }

  get name() {
    return nameOf({ id: this.id, name: this.run?.name });
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

  /** Reads what it was made complete to, once: that stays as it is. */
  readResolved() {
    return (this.#reading ??= this.#readResolved().catch((error) => {
      this.#reading = null;
      throw error;
    }));
  }

  async #readResolved() {
    try {
      this.resolved = await read(`runs/${this.id}/resolved`);
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
  }
}
