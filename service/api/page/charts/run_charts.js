// The charts of a run, and of others beside it: one horizontal axis, which zooms in all at once.

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
// By a run's place.
const COLOURS = ["series-1", "series-2", "series-3", "series-4", "series-5", "series-6"];

export class RunCharts {
  #loss = new Chart("Loss");
  #error = new Chart("Validation error", {
    tickformat: ".0%",
    hoverformat: ".2%",
    rangemode: "tozero",
  });
  // Not as powers: Plotly raises exponents by a style attribute, which the page's policy refuses.
  #rate = new Chart("Learning rate", { exponentformat: "e" });
  #pace = new Chart("Images per second", { rangemode: "tozero" });
  #wait = new Chart("Share of the time that training waited for photos", {
    tickformat: ".0%",
    hoverformat: ".1%",
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
   * Draws runs, {name, place, history, marks, began}: the one that is looked at, whose place is 0, and those
   * beside it, each in its place's colour. What came while the library was on its way, or another drawing
   * went on, is drawn after that, all at once.
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
      const pictures = this.#pictures(this.#shown);
      await Promise.all(pictures.map(([chart, picture]) => chart.draw(plotly, picture)));
      markWhenShown(pictures.flatMap(([, { lines }]) => lines));
    }
    if (this.#isClosed) this.close();
  }

  #pictures(runs) {
    const several = runs.length > 1;
    const common = { marks: runs.flatMap((run) => this.#marks(run, several)), axis: AXES[this.axis.value] };
    this.#loss.scale = { type: this.logarithmic.checked ? "log" : "linear" };
    const of = (lines) => runs.flatMap((run) => lines(run, colours(run, several)));
    const picture = (lines, dashed) => ({
      ...common,
      lines,
      note: several && dashed ? `dashed: ${dashed}` : "",
    });
    const column = (name) => picture(of((...run) => this.#column(name, ...run)));
    return [
      [
        this.#loss,
        picture(
          of((...run) => this.#losses(...run)),
          "in validation",
        ),
      ],
      [
        this.#error,
        picture(
          of((...run) => this.#errors(...run)),
          "top-5",
        ),
      ],
      [this.#rate, column("learning_rate")],
      [this.#pace, column("images_per_second")],
      [this.#wait, column("wait_share")],
    ];
  }

  close() {
    this.#isClosed = true;
    this.#all.forEach((chart) => chart.close());
  }

  #show(range, but) {
    this.#all.filter((chart) => chart !== but).forEach((chart) => chart.show(range));
  }

  #losses(run, { first, second }) {
    const { name, history } = run;
    const weight = Number(this.smoothing.value);
    const [x, raw] = [this.#places(run), history.steps.loss];
    const training = { name: `training, ${name}`, x, y: smoothed(raw, weight), ...first };
    const validation = { name: `validation, ${name}`, ...this.#epochs(run, "val_loss"), ...second };
    return [...(weight ? [{ ...training, y: raw, faint: true }] : []), training, validation];
  }

  #errors(run, { first, second }) {
    return [
      { name: `top-1, ${run.name}`, ...this.#epochs(run, "val_top1_error"), ...first },
      { name: `top-5, ${run.name}`, ...this.#epochs(run, "val_top5_error"), ...second },
    ];
  }

  #column(column, run, { first }) {
    return [{ name: run.name, x: this.#places(run), y: run.history.steps[column], ...first }];
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

  #marks(run, several) {
    return run.marks.map(({ at, kind, text }) => ({
      kind,
      text: several ? `${run.name}: ${text}` : text,
      x: this.axis.value === "step" ? run.history.stepAt(at) : this.#when(run, at),
    }));
  }

  #when({ began }, at) {
    return this.axis.value === "time" ? localTime(at) : (new Date(at) - new Date(began)) / 60_000;
  }
}

/** How the first line of a run in a chart is drawn, and the second one: alone it has a colour of its own. */
function colours({ place }, several) {
  const first = { colour: COLOURS[place] };
  // Thousands of points take long to dash.
  return { first, second: several ? { ...first, dashed: true } : { colour: COLOURS[1] } };
}

/** For those who measure the page: when so many points were on the screen, in the browser's timeline. */
function markWhenShown(lines) {
  const points = lines.reduce((sum, { y }) => sum + y.length, 0);
  const mark = () => performance.mark("charts shown", { detail: { points } });
  // The frame that has them is painted before the next one begins.
  requestAnimationFrame(() => requestAnimationFrame(mark));
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
