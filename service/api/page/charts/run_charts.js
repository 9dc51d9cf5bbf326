// The charts of a run, and of another beside it: one horizontal axis, which zooms in all at once.

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
  #wait = new Chart("Share of the time that training waited for photos", {
    tickformat: ".0%",
    rangemode: "tozero",
  });
  #all = [this.#loss, this.#error, this.#rate, this.#pace, this.#wait];
  #shown = [];
  #isStale = false;
  #isClosed = false;
  #drawing = null;

  constructor() {
    // Begun while the figures are on their way; what goes wrong is said when they are drawn.
    library().catch(() => {});
    this.axis = choice("Horizontal axis", { step: "Step", elapsed: "Time since the start", time: "Time" });
    this.smoothing = element("input", { type: "range", min: "0", max: "0.99", step: "0.01", value: "0" });
    this.logarithmic = element("input", { type: "checkbox" });
    for (const control of [this.axis, this.smoothing, this.logarithmic]) {
      control.addEventListener("input", () => this.draw(this.#shown));
    }
    const button = (name, act) => element("button", { type: "button", onclick: act }, name);
    const zoom = (factor) => this.#show(this.#loss.zoomed(factor));
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
          button("Zoom in", () => zoom(0.5)),
          button("Zoom out", () => zoom(2)),
          button("Show all", () => this.#show(null)),
        ),
      ),
      element("div", { class: "charts" }, ...this.#all.map((chart) => chart.element)),
    );
    for (const chart of this.#all) chart.onzoom = (range) => this.#show(range, chart);
  }

  /**
   * Draws runs, {name, history, marks, began}: the one that is looked at, and perhaps one beside it. What
   * came while the library was on its way, or another drawing went on, is drawn after that, all at once.
   */
  draw(runs) {
    this.#shown = runs;
    this.#isStale = true;
    return (this.#drawing ??= this.#drawAll().finally(() => (this.#drawing = null)));
  }

  async #drawAll() {
    const plotly = await library();
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      await Promise.all(this.#pictures(this.#shown).map(([chart, picture]) => chart.draw(plotly, picture)));
      performance.mark("charts drawn");
    }
    if (this.#isClosed) this.close();
  }

  #pictures(runs) {
    const common = { marks: runs.flatMap((run) => this.#marks(run)), axis: AXES[this.axis.value] };
    this.#loss.scale = { type: this.logarithmic.checked ? "log" : "linear" };
    const of = (lines) => runs.flatMap((run, place) => lines(run, PALETTE[place]));
    return [
      [this.#loss, { ...common, lines: of((...run) => this.#losses(...run)) }],
      [this.#error, { ...common, lines: of((...run) => this.#errors(...run)) }],
      [this.#rate, { ...common, lines: of((...run) => this.#column("learning_rate", ...run)) }],
      [this.#pace, { ...common, lines: of((...run) => this.#column("images_per_second", ...run)) }],
      [this.#wait, { ...common, lines: of((...run) => this.#column("wait_share", ...run)) }],
    ];
  }

  close() {
    this.#isClosed = true;
    this.#all.forEach((chart) => chart.close());
  }

  #show(range, but) {
    this.#all.filter((chart) => chart !== but).forEach((chart) => chart.show(range));
  }

  #losses(run, { main, other }) {
    const { name, history } = run;
    const weight = Number(this.smoothing.value);
    const [x, raw] = [this.#places(run), history.steps.loss];
    const training = { name: `training, ${name}`, x, y: smoothed(raw, weight), colour: main };
    const validation = { name: `validation, ${name}`, ...this.#epochs(run, "val_loss"), colour: other };
    return [...(weight ? [{ ...training, y: raw, faint: true }] : []), training, validation];
  }

  #errors(run, { main, other }) {
    return [
      { name: `top-1, ${run.name}`, ...this.#epochs(run, "val_top1_error"), colour: main },
      { name: `top-5, ${run.name}`, ...this.#epochs(run, "val_top5_error"), colour: other },
    ];
  }

  #column(column, run, { main }) {
    return [{ name: run.name, x: this.#places(run), y: run.history.steps[column], colour: main }];
  }

  #places(run) {
    const { step, at } = run.history.steps;
    return this.axis.value === "step" ? step : at.map((moment) => this.#when(run, moment));
  }

  #epochs(run, name) {
    const { epochs } = run.history;
    const x = epochs.map(({ step, at }) => (this.axis.value === "step" ? step : this.#when(run, at)));
    return { x, y: epochs.map((epoch) => epoch[name]), points: epochs.length <= MOST_MARKED };
  }

  #marks(run) {
    return run.marks.map(({ at, kind, text }) => ({
      kind,
      text,
      x: this.axis.value === "step" ? run.history.stepAt(at) : this.#when(run, at),
    }));
  }

  #when({ began }, at) {
    return this.axis.value === "time" ? localTime(at) : (new Date(at) - new Date(began)) / 60_000;
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
