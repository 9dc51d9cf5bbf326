// A run's figures as files: those of its steps, and those of its epochs.

import { csv } from "../data/csv.js";
import { element } from "./element.js";

// The browser reads what it saves after the press.
const KEPT_MILLISECONDS = 60_000;

export class CsvButtons {
  #run;
  #steps = element("button", { type: "button", onclick: () => this.#save("steps") }, "Steps as CSV");
  #epochs = element("button", { type: "button", onclick: () => this.#save("epochs") }, "Epochs as CSV");

  /** `run` is {name, history}; its figures are saved as they are known at the press. */
  constructor(run) {
    this.#run = run;
    this.element = element("span", { class: "group" }, this.#steps, this.#epochs);
    this.update();
  }

  /** Offers what there is. */
  update() {
    const { history } = this.#run;
    this.#steps.hidden = history.steps.step.length === 0;
    this.#epochs.hidden = history.epochs.length === 0;
  }

  #save(kind) {
    const { name, history } = this.#run;
    const columns = kind === "steps" ? history.steps : history.epochColumns;
    const href = URL.createObjectURL(new Blob([csv(columns)], { type: "text/csv" }));
    element("a", { href, download: `${name}-${kind}.csv` }).click();
    setTimeout(() => URL.revokeObjectURL(href), KEPT_MILLISECONDS);
  }
}
