// The four charts of a run, and of another beside it: one horizontal axis, which zooms in all at once.

import { element } from "../parts/element.js";
import { Chart } from "./chart.js";
import { library } from "./library.js";

const AXES = {
  step: { title: { text: "Step" }, type: "linear" },
  elapsed: { title: { text: "Minutes since the run began" }, type: "linear" },
  time: { title: { text: "Time" }, type: "date" },
};
// Each mark is an element of its own: ten thousand take a second to draw, and half the memory.
const MOST_MARKED = 200;
const PALETTE = [
  { main: "series-1", other: "series-2" },
  { main: "series-3", other: "series-4" },
];

export class RunCharts {
  #loss = new Chart("Loss");
  #error = new Chart("Validation error", { tickformat: ".0%", rangemode: "tozero" });
  // Not as powers: Plotly raises exponents by a style attribute, which the page's policy refuses.
  #rate = new Chart("Learning rate", { exponentformat: "e" });
  #pace = new Chart("Images per second", { rangemode: "tozero" });
  #all = [this.#loss, this.#error, this.#rate, this.#pace];
  #shown = [];

  constructor() {
    // While the figures are on their way; what goes wrong is said when they are drawn.
    library().catch(() => {});
    this.axis = choice("Horizontal axis", { step: "Step", elapsed: "Time since the start", time: "Time" });
    this.smoothing = element("input", { type: "range", min: "0", max: "0.99", step: "0.01", value: "0" });
    this.logarithmic = element("input", { type: "checkbox" });
    for (const control of [this.axis, this.smoothing, this.logarithmic]) {
      control.addEventListener("input", () => this.draw(this.#shown));
    }
    const button = (name, act) =>
      element("button", { type: "button", onclick: () => this.#all.forEach(act) }, name);
    this.element = element(
      "div",
      {},
      element(
        "div",
        { class: "controls" },
        element("label", {}, "Horizontal axis ", this.axis),
        element("label", {}, "Smoothing ", this.smoothing),
        element("label", { class: "choice" }, this.logarithmic, "Logarithmic loss"),
        element(
          "span",
          { class: "group" },
          button("Zoom in", (chart) => chart.zoom(0.5)),
          button("Zoom out", (chart) => chart.zoom(2)),
          button("Show all", (chart) => chart.showAll()),
        ),
      ),
      element("div", { class: "charts" }, ...this.#all.map((chart) => chart.element)),
    );
    for (const chart of this.#all) {
      chart.onzoom = (range) =>
        this.#all.filter((other) => other !== chart).forEach((other) => other.show(range));
    }
  }

  /** Draws runs, {name, history, marks}: the first as the one that is looked at, the second beside it. */
  async draw(runs) {
    this.#shown = runs;
    this.#loss.scale = { type: this.logarithmic.checked ? "log" : "linear" };
    const marks = runs.flatMap((run) => this.#marks(run));
    const axis = AXES[this.axis.value];
    await Promise.all([
      this.#loss.draw({
        lines: runs.flatMap((run, place) => this.#losses(run, PALETTE[place])),
        marks,
        axis,
      }),
      this.#error.draw({
        lines: runs.flatMap((run, place) => this.#errors(run, PALETTE[place])),
        marks,
        axis,
      }),
      this.#rate.draw({ lines: this.#columns(runs, "learning_rate"), marks, axis }),
      this.#pace.draw({ lines: this.#columns(runs, "images_per_second"), marks, axis }),
    ]);
  }

  close() {
    this.#all.forEach((chart) => chart.close());
  }

  #losses({ name, history }, { main, other }) {
    const y = smoothed(history.steps.loss, Number(this.smoothing.value));
    const validated = { ...this.#epochs(history, "val_loss"), colour: other };
    return [
      { name: `${name} training`, x: this.#places(history), y, colour: main },
      { name: `${name} validation`, ...validated },
    ];
  }

  #errors({ name, history }, { main, other }) {
    return [
      { name: `${name} top-1`, ...this.#epochs(history, "val_top1_error"), colour: main },
      { name: `${name} top-5`, ...this.#epochs(history, "val_top5_error"), colour: other },
    ];
  }

  #columns(runs, column) {
    return runs.map(({ name, history }, place) => ({
      name,
      x: this.#places(history),
      y: history.steps[column],
      colour: PALETTE[place].main,
    }));
  }

  #places(history) {
    if (this.axis.value === "step") return history.steps.step;
    return history.steps.at.map((at) => this.#when(history, at));
  }

  #epochs({ epochs, ...history }, name) {
    const x = epochs.map(({ step, at }) => (this.axis.value === "step" ? step : this.#when(history, at)));
    return { x, y: epochs.map((epoch) => epoch[name]), points: epochs.length <= MOST_MARKED };
  }

  #marks({ history, marks }) {
    return marks.map(({ at, kind, text }) => ({
      kind,
      text,
      x: this.axis.value === "step" ? history.stepAt(at) : this.#when(history, at),
    }));
  }

  #when({ steps }, at) {
    return this.axis.value === "time" ? localTime(at) : (new Date(at) - new Date(steps.at[0])) / 60_000;
  }
}

/** A moment as the reader's clock shows it, without a time zone: Plotly knows of none. */
function localTime(at) {
  const moment = new Date(at);
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
}

/** An exponential mean of what came before, as heavy as `weight`, unbiased at its beginning. */
function smoothed(values, weight) {
  if (weight === 0) return values;
  let [sum, heft] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    [sum, heft] = [sum * weight + value * (1 - weight), heft * weight + 1 - weight];
    return sum / heft;
  });
}

function choice(name, choices) {
  const options = Object.entries(choices).map(([value, text]) => element("option", { value }, text));
  return element("select", { "aria-label": name }, ...options);
}
