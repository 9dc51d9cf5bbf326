// All that is known of how a run went: what was measured at its steps, its epochs, and what befell it.

import { read } from "./api.js";
import { events } from "./events.js";

const FIRST_POINTS = 10_000;
// Days of training: more than a chart can show.
const MOST_POINTS = 20_000;
const PAGE = 10_000;
// For points spread over a run the server reads all of its file: a long one is asked for the less often.
const REST_PER_READING = 10;
const KINDS = ["state", "epoch", "warning", "end"];
// What has happened comes at once; a stream that has nothing more of that does not say so.
const LULL_MILLISECONDS = 1500;
const EPOCH_FIGURES = ["epoch", "step", "at", "train_loss", "val_loss", "val_top1_error", "val_top5_error"];

// What a reader of a curve wants to know of: the rest of the states is how every run goes.
const BEFALLS = {
  recovering: "fault: recovering",
  failed: "failed",
  interrupted: "interrupted",
  stopped: "stopped",
};

export class RunHistory {
  /** Columns by step: what was measured at the logged ones. */
  steps = emptyColumns();
  /** Of each validated epoch, in order, its EPOCH_FIGURES. */
  epochs = [];
  /** {at, kind, text}: faults, ends, warnings. */
  marks = [];
  /** Whether what was measured has been asked for once. */
  isRead = false;
  /** Whether the log is longer than when this was last set to false. */
  logHasGrown = true;
  #lastId = "";
  #reading = null;
  #rested = 0;

  constructor(id) {
    this.id = id;
  }

  /** The epochs as columns, like the steps. */
  get epochColumns() {
    return Object.fromEntries(EPOCH_FIGURES.map((name) => [name, this.epochs.map((epoch) => epoch[name])]));
  }

  get lastStep() {
    return this.steps.step.at(-1) ?? 0;
  }

  /** The step a moment fell on: that of the last measurement before it. */
  stepAt(at) {
    const place = this.steps.at.findLastIndex((measured) => measured <= at);
    return place < 0 ? 0 : this.steps.step[place];
  }

  /**
   * Reads what has been measured since it was last asked; resolves to whether there was more. A long run is
   * not asked every time, but where it is `needed`.
   */
  async catchUp({ needed }) {
    if (!needed && performance.now() < this.#rested) return false;
    // One at a time: two that begin from the same step would bring it twice.
    return (this.#reading ??= this.#read().finally(() => (this.#reading = null)));
  }

  /** Follows what befalls the run until it is over; calls `changed` whenever there is more. */
  async listen(signal, changed) {
    // Of its log a stream tells what comes from now on, and this may not be the first one.
    this.logHasGrown = true;
    for await (const told of this.#events([...KINDS, "log"], signal)) {
      told.forEach((event) => this.#hear(event));
      changed();
    }
    this.logHasGrown = true;
  }

  /** Hears what has befallen a run at work until now; what comes late is heard the next time. */
  async hearSoFar(signal) {
    const lull = new AbortController();
    const wait = () => setTimeout(() => lull.abort(), LULL_MILLISECONDS);
    // There is something to tell of every run.
    let timer = this.#lastId && wait();
    try {
      for await (const told of this.#events(KINDS, AbortSignal.any([signal, lull.signal]))) {
        told.forEach((event) => this.#hear(event));
        clearTimeout(timer);
        timer = wait();
      }
    } catch (error) {
      if (!lull.signal.aborted) throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  #events(kinds, signal) {
    const query = kinds.map((kind) => `kind=${kind}`).join("&");
    return events(`runs/${this.id}/events?${query}`, this.#lastId, signal);
  }

  async #read() {
    const began = performance.now();
    const known = this.lastStep;
    const all = known === 0 || this.steps.step.length > MOST_POINTS;
    if (all) {
      const { items } = await read(`runs/${this.id}/metrics?points=${FIRST_POINTS}`);
      this.steps = emptyColumns();
      this.#add(items);
    } else {
      for (let more = true; more;) {
        const { items } = await read(`runs/${this.id}/metrics?after=${this.lastStep}&limit=${PAGE}`);
        this.#add(items);
        more = items.length === PAGE;
      }
    }
    this.isRead = true;
    const ended = performance.now();
    this.#rested = ended + REST_PER_READING * (ended - began);
    return this.lastStep > known;
  }

  #add(items) {
    for (const item of items) {
      for (const [name, column] of Object.entries(this.steps)) column.push(item[name]);
    }
  }

  #hear({ kind, id, data }) {
    this.#lastId = id ?? this.#lastId;
    if (kind === "epoch") this.epochs.push(data);
    else if (kind === "warning") this.marks.push({ at: data.at, kind, text: data.message });
    else if (kind === "log") this.logHasGrown = true;
    else if (kind === "state" && Object.hasOwn(BEFALLS, data.state)) {
      const reason = data.reason ? `: ${data.reason}` : "";
      this.marks.push({ at: data.at, kind: data.state, text: BEFALLS[data.state] + reason });
    }
  }
}

const emptyColumns = () => ({
  step: [],
  at: [],
  loss: [],
  learning_rate: [],
  images_per_second: [],
  wait_share: [],
});
