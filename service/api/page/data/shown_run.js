// A run as charts and tables show it: how it is, how it went, and the settings it was made with.

import { read, Refusal } from "./api.js";
import { RunHistory } from "./run_history.js";
import { nameOf } from "./run_name.js";
import { flatSettings } from "./settings.js";

export class ShownRun {
  /** As the API answered last; null before it has. */
  run = null;
  /** Its settings by their dotted paths; null before `readSettings`, and where its folder has lost them. */
  settings = null;
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

  /** Reads its settings, once: they stay as they were when it was made. */
  readSettings() {
    return (this.#reading ??= this.#readSettings().catch((error) => {
      this.#reading = null;
      throw error;
    }));
  }

  async #readSettings() {
    try {
      this.settings = flatSettings(await read(`runs/${this.id}/resolved`));
    } catch (error) {
      if (!(error instanceof Refusal && error.status === 404)) throw error;
    }
  }
}
