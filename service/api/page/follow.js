// The run that is open: its loss curve, drawn again as its events say that there is more of it.

import { events, read } from "./api.js";
import { drawLoss } from "./curve.js";

const METRICS_PAGE = 10_000;

/** Follows a run into its row until it is closed. */
export class Following {
  #closing = new AbortController();
  #points = [];
  #lastStep = 0;
  #lastId = "";
  #listening = false;

  constructor(id, row) {
    this.id = id;
    this.row = row;
    this.listen();
  }

  close() {
    this.#closing.abort();
  }

  /** Listens, again where a connection broke or the run was over and has been resumed since. */
  async listen() {
    if (this.#listening) return;
    this.#listening = true;
    try {
      await this.#draw();
      for await (const event of events(`runs/${this.id}/events`, this.#lastId, this.#closing.signal)) {
        this.#lastId = event.id ?? this.#lastId;
        // The history is told from its beginning: what it says first is drawn already.
        if (event.kind === "progress" && event.data.step > this.#lastStep) await this.#draw();
      }
    } catch (error) {
      // The list of runs asks the same server every two seconds, tells the reader and calls this again.
      if (!this.#closing.signal.aborted) console.warn(error);
    } finally {
      this.#listening = false;
    }
  }

  async #draw() {
    for (let more = true; more; ) {
      const { items } = await read(`runs/${this.id}/metrics?after=${this.#lastStep}&limit=${METRICS_PAGE}`);
      more = items.length === METRICS_PAGE;
      for (const { step, loss } of items) {
        // A run that recovered goes through some steps again: what it measured last counts.
        while (this.#points.at(-1)?.[0] >= step) this.#points.pop();
        if (Number.isFinite(loss)) this.#points.push([step, loss]);
        this.#lastStep = step;
      }
    }
    // Closed, and perhaps opened anew, while the server was asked.
    if (!this.#closing.signal.aborted) drawLoss(this.row, this.#points);
  }
}
