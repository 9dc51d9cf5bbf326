// All that is known of how a run went: what was measured at its steps, its epochs, and what befell it.

import { read } from "./api.js";
import { events } from "./events.js";

const FIRST_POINTS = 10_000;
const PAGE = 10_000;
const KEPT_LINES = 1000;
const KINDS = ["state", "epoch", "checkpoint", "warning", "log", "end"];

// What a reader of a curve wants to know of: the rest of the states is how every run goes.
const BEFALLS = {
  recovering: "fault: recovering",
  failed: "failed",
  interrupted: "interrupted",
  stopped: "stopped",
};

export class RunHistory {
  #lastId = "";
  #listening = false;

  /** Columns by step: what was measured at the logged ones. */
  steps = { step: [], at: [], loss: [], learning_rate: [], images_per_second: [] };
  /** {step, at, train_loss, val_loss, val_top1_error, val_top5_error} of each validated epoch, in order. */
  epochs = [];
  /** {at, kind, text}: attempts that began, faults, warnings. */
  marks = [];
  /** The newest lines of the log. */
  log = [];
  constructor(id) {
    this.id = id;
  }

  get lastStep() {
    return this.steps.step.at(-1) ?? 0;
  }

  /** The step a moment fell on: that of the last measurement before it. */
  stepAt(at) {
    const place = this.steps.at.findLastIndex((measured) => measured <= at);
    return place < 0 ? 0 : this.steps.step[place];
  }

  /** Reads what has been measured since it was last asked; resolves to whether there was more. */
  async catchUp() {
    const known = this.steps.step.length;
    if (!known) this.#add(await read(`runs/${this.id}/metrics?points=${FIRST_POINTS}`));
    else {
      for (let more = true; more;) {
        const page = await read(`runs/${this.id}/metrics?after=${this.lastStep}&limit=${PAGE}`);
        this.#add(page);
        more = page.items.length === PAGE;
      }
    }
    return this.steps.step.length > known;
  }

  /** Follows what befalls the run and what it logs, until it is over; calls `changed` with each kind. */
  async listen(signal, changed) {
    if (this.#listening) return;
    this.#listening = true;
    try {
      const kinds = KINDS.map((kind) => `kind=${kind}`).join("&");
      for await (const event of events(`runs/${this.id}/events?${kinds}`, this.#lastId, signal)) {
        this.#lastId = event.id ?? this.#lastId;
        this.#hear(event);
        changed(event.kind);
      }
    } finally {
      this.#listening = false;
    }
  }

  #add({ items }) {
    for (const item of items) {
      for (const [name, column] of Object.entries(this.steps)) column.push(item[name]);
    }
  }

  #hear({ kind, data }) {
    if (kind === "epoch") this.epochs.push(data);
    else if (kind === "warning") this.marks.push({ at: data.at, kind: "warning", text: data.message });
    else if (kind === "log") this.log = [...this.log, data.line].slice(-KEPT_LINES);
    else if (kind === "state" && data.state in BEFALLS) {
      const reason = data.reason ? `: ${data.reason}` : "";
      this.marks.push({ at: data.at, kind: data.state, text: BEFALLS[data.state] + reason });
    }
  }
}
