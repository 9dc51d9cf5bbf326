// A run beside others: which they are, what differs between them, and its own figures as files.

import { distinctNames } from "../data/run_name.js";
import { RunsBeside } from "../data/runs_beside.js";
import { Beside } from "./beside.js";
import { CsvButtons } from "./csv_buttons.js";
import { Differences } from "./differences.js";

export class Comparison {
  #followed;
  #others;
  #choice;
  #files;
  #differences = new Differences();
  #changed;

  /**
   * `followed` is the run that is looked at, and `ids` are those of the runs beside it. `changed` is called
   * whenever there is more to draw, until `close`.
   */
  constructor(followed, ids, changed) {
    this.#followed = followed;
    this.#others = new RunsBeside(ids, () => this.#show());
    this.#choice = new Beside(followed.id, this.#others);
    this.#files = new CsvButtons(followed);
    this.#changed = changed;
    this.choice = this.#choice.element;
    this.files = this.#files.element;
    this.differences = this.#differences.element;
  }

  /** The runs that can be drawn by now, as `RunCharts` and `Differences` want them, told apart by name. */
  get runs() {
    const runs = [this.#followed, ...this.#others.runs].filter(({ history }) => history.isRead);
    const names = distinctNames(runs);
    return runs.map(({ place, run, history, marks, began, resolved }, index) => {
      return { name: names[index], place, run, history, marks, began, resolved };
    });
  }

  /** Brings it up to date; what keeps the other runs back is said among them, and keeps nothing else back. */
  async refresh() {
    this.#others.refresh();
    this.#files.update();
    await this.#choice.refresh();
    if (this.#others.runs.length) await this.#followed.readResolved();
    this.#differences.show(this.runs);
  }

  close() {
    this.#others.close();
    this.#changed = () => {};
  }

  #show() {
    this.#choice.show();
    this.#differences.show(this.runs);
    this.#changed(this.#others.ids);
    this.#others.refresh();
  }
}
