// One chart of lines, drawn by Plotly: hovered over, zoomed by dragging, and read out by its description.

import { element } from "../parts/element.js";
import { library } from "./library.js";
import { colour } from "./theme.js";

// No bar of buttons: the page has its own, which a keyboard reaches.
const CONFIGURATION = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };
const MARK_COLOURS = { warning: "wait", recovering: "wait", failed: "bad", interrupted: "bad" };

export class Chart {
  #drawn = null;
  #drawing = false;
  #waiting = null;
  #isLed = false;

  /** `scale` has what the vertical axis is to be, in Plotly's words. */
  constructor(title, scale = {}) {
    this.title = title;
    this.scale = scale;
    this.canvas = element("div", {
      class: "chart",
      role: "img",
      "aria-label": `${title}: nothing is known yet`,
    });
    this.element = element("figure", { class: "card" }, element("figcaption", {}, title), this.canvas);
  }

  /**
   * Shows `lines`, {name, x, y, colour, points}, and `marks`, {x, kind, text}, above `axis`, Plotly's words
   * for the horizontal one. What the reader has zoomed to stays.
   */
  async draw({ lines, marks = [], axis }) {
    this.#waiting = { lines, marks, axis };
    // One at a time: whatever came meanwhile is drawn after it, and what has been overtaken is not.
    if (this.#drawing) return;
    this.#drawing = true;
    try {
      const plotly = await library();
      while (this.#waiting) {
        const { lines, marks, axis } = this.#waiting;
        this.#waiting = null;
        await plotly.react(this.canvas, lines.map(trace), this.#layout(marks, axis), CONFIGURATION);
        this.canvas.setAttribute("aria-label", describe(this.title, lines, marks));
        if (!this.#drawn) this.#listen();
      }
    } finally {
      this.#drawing = false;
    }
  }

  /** Makes the part of the horizontal axis that is shown so many times as long, around its middle. */
  zoom(factor) {
    if (!this.#drawn) return;
    const { range, r2l, l2r } = this.canvas._fullLayout.xaxis;
    const [low, high] = range.map(r2l);
    const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
    this.#lay({ "xaxis.range": [l2r(middle - half), l2r(middle + half)] });
  }

  showAll() {
    this.#lay({ "xaxis.autorange": true, "yaxis.autorange": true });
  }

  /** Shows the same part of the horizontal axis as another chart does. */
  show(range) {
    this.#lay(range ? { "xaxis.range": range } : { "xaxis.autorange": true });
  }

  close() {
    this.#drawn?.purge(this.canvas);
    this.#drawn = null;
  }

  async #lay(change) {
    if (!this.#drawn) return;
    // Told to, it has nothing to tell others.
    this.#isLed = true;
    await this.#drawn.relayout(this.canvas, change).finally(() => (this.#isLed = false));
  }

  #listen() {
    this.#drawn = window.Plotly;
    this.canvas.on("plotly_relayout", (change) => {
      if (this.#isLed) return;
      if (this.onzoom && ("xaxis.range[0]" in change || change["xaxis.autorange"])) {
        this.onzoom(change["xaxis.autorange"] ? null : [change["xaxis.range[0]"], change["xaxis.range[1]"]]);
      }
    });
  }

  #layout(marks, axis) {
    const [ink, quiet, rule, sheet] = ["ink", "quiet", "rule", "sheet"].map(colour);
    const common = {
      gridcolor: rule,
      linecolor: rule,
      zerolinecolor: rule,
      automargin: true,
      fixedrange: false,
    };
    return {
      uirevision: axis.title.text,
      height: 260,
      margin: { l: 44, r: 12, t: 30, b: 36 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: "system-ui, sans-serif", size: 12, color: quiet },
      hovermode: "x unified",
      hoverlabel: { bgcolor: sheet, bordercolor: rule, font: { color: ink } },
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top" },
      dragmode: "zoom",
      xaxis: { ...common, ...axis },
      yaxis: { ...common, ...this.scale },
      shapes: marks.map(line),
      annotations: marks.map(flag),
    };
  }
}

// Plotly reads a few tags in texts: a name that has any is to be shown as it is.
const plain = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

function trace({ name, x, y, colour: named, points }) {
  const drawn = colour(named);
  return {
    type: "scatter",
    name: plain(name),
    x,
    y,
    mode: points ? "lines+markers" : "lines",
    line: { color: drawn, width: 1.6 },
    marker: { color: drawn, size: 5 },
    connectgaps: true,
  };
}

const line = ({ x, kind }) => ({
  type: "line",
  x0: x,
  x1: x,
  y0: 0,
  y1: 1,
  yref: "paper",
  line: { color: colour(MARK_COLOURS[kind] ?? "quiet"), width: 1, dash: "dot" },
});

const flag = ({ x, kind, text }) => ({
  x,
  y: 0,
  yref: "paper",
  yanchor: "bottom",
  showarrow: false,
  text: "▲",
  hovertext: plain(text),
  font: { size: 10, color: colour(MARK_COLOURS[kind] ?? "quiet") },
});

function describe(title, lines, marks) {
  const known = lines.map(({ name, y }) => {
    const last = y.findLast(Number.isFinite);
    return last === undefined
      ? `${name}: nothing yet`
      : `${name}: ${y.length} points, the last one ${last.toPrecision(4)}`;
  });
  const befell = marks.length ? `; ${marks.length} marks` : "";
  return `${title}. ${known.join("; ")}${befell}`;
}
