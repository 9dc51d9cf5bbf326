// A run laid beside the one that is looked at: read again now and then until it is over, and never followed.

import { read } from "./api.js";
import { isOver } from "./job_state.js";
import { ShownRun } from "./shown_run.js";

const PAUSE_MILLISECONDS = 10_000;

export class RunBeside extends ShownRun {
  /** What kept it from being up to date, or null. */
  trouble = null;
  #closing = new AbortController();
  #isWhole = false;
  #rested = 0;

  /** `place` is its own among those that are shown: its colour. */
  constructor(id, place) {
    super(id);
    this.place = place;
  }

  /** Whether there may be more of it, and its time has come. */
  get isDue() {
    return !this.#isWhole && performance.now() >= this.#rested;
  }

  get isClosed() {
    return this.#closing.signal.aborted;
  }

  /** Brings it up to date; throws what keeps it from that. */
  async refresh() {
    try {
      this.run = await read(`runs/${this.id}`);
      const over = isOver(this.run.state);
      await Promise.all([this.#hear(over), this.history.catchUp({ needed: over }), this.readResolved()]);
      this.#isWhole = over;
    } finally {
      this.#rested = performance.now() + PAUSE_MILLISECONDS;
    }
  }

  close() {
    this.#closing.abort();
  }

  #hear(over) {
    const { signal } = this.#closing;
    return over ? this.history.listen(signal, () => {}) : this.history.hearSoFar(signal);
  }
}
