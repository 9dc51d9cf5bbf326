// One chart of lines, drawn by Plotly: hovered over, zoomed by dragging, and read out by its description.

import { element, write } from "../parts/element.js";
import { plain } from "./plain.js";
import { colour } from "./theme.js";

// No bar of buttons: the page has its own, which a keyboard reaches.
const CONFIGURATION = { displayModeBar: false, responsive: true, doubleClick: "reset", showTips: false };
const MARK_COLOURS = { warning: "wait", recovering: "wait", failed: "bad", interrupted: "bad" };
const HEIGHT = 260;
const NAME_HEIGHT = 24;
const coarse = matchMedia("(pointer: coarse)");

export class Chart {
  #drawn = null;
  #led = 0;
  /** Called with the part of the horizontal axis that the reader has chosen, or null for all of it. */
  onzoom = () => {};
  #revision = 0;

  /** `scale` has what the vertical axis is to be, in Plotly's words. */
  constructor(title, scale = {}) {
    this.title = title;
    this.scale = scale;
    this.note = element("span", { hidden: true });
    this.canvas = element("div", {
      class: "chart",
      role: "img",
      "aria-label": `${title}: nothing is known yet`,
    });
    this.element = element(
      "figure",
      { class: "card" },
      element("figcaption", {}, title, " ", this.note),
      this.canvas,
    );
  }

  /**
   * Shows `lines`, {name, x, y, colour, points, faint, dashed}, and `marks`, {x, kind, text}, above `axis`,
   * Plotly's words for the horizontal one, and a `note` beside the title. What was zoomed to stays.
   */
  async draw(plotly, { lines, marks, axis, note }) {
    write(this.note, note && `(${note})`);
    const traces = lines.map(trace);
    const named = traces.filter(({ showlegend }) => showlegend).length;
    await plotly.react(this.canvas, traces, this.#layout(marks, axis, named), CONFIGURATION);
    this.canvas.setAttribute("aria-label", describe(this.title, lines, marks));
    if (!this.#drawn) this.#listen(plotly);
  }

  /** The part of the horizontal axis that would be shown at so many times its length, around its middle. */
  zoomed(factor) {
    if (!this.#drawn) return null;
    const { range, r2l, l2r } = this.canvas._fullLayout.xaxis;
    const [low, high] = range.map(r2l);
    const [middle, half] = [(low + high) / 2, ((high - low) / 2) * factor];
    return [l2r(middle - half), l2r(middle + half)];
  }

  /** Shows a part of the horizontal axis, or all of it. */
  async show(range) {
    if (!this.#drawn) return;
    const all = { "xaxis.autorange": true, "yaxis.autorange": true };
    // Told to, it has nothing to tell others.
    this.#led++;
    await this.#drawn
      .relayout(this.canvas, range ? { "xaxis.range": range } : all)
      .finally(() => this.#led--);
  }

  close() {
    this.#drawn?.purge(this.canvas);
    this.#drawn = null;
  }

  #listen(plotly) {
    this.#drawn = plotly;
    this.canvas.on("plotly_relayout", (change) => {
      if (this.#led) return;
      if (change["xaxis.autorange"]) this.onzoom(null);
      else if ("xaxis.range[0]" in change) this.onzoom([change["xaxis.range[0]"], change["xaxis.range[1]"]]);
    });
  }

  #layout(marks, axis, named) {
    const [ink, quiet, rule, sheet] = ["ink", "quiet", "rule", "sheet"].map(colour);
    const common = {
      gridcolor: rule,
      linecolor: rule,
      zerolinecolor: rule,
    };
    return {
      uirevision: axis.title.text,
      // Columns grow where they are: that they are other than before, only this says.
      datarevision: ++this.#revision,
      // A run alone has two names at most, which take one line of the legend.
      height: HEIGHT + NAME_HEIGHT * Math.max(0, named - 2),
      margin: { l: 56, r: 12, t: 30, b: 40 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: "system-ui, sans-serif", size: 12, color: quiet },
      hovermode: "x unified",
      hoverlabel: { bgcolor: sheet, bordercolor: rule, font: { color: ink }, namelength: -1 },
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top" },
      // Where a finger drags, it scrolls the page: to zoom there are buttons.
      dragmode: coarse.matches ? false : "zoom",
      xaxis: { ...common, ...axis },
      // What was zoomed to on one kind of scale means nothing on another.
      yaxis: { ...common, ...this.scale, uirevision: this.scale.type },
      shapes: marks.map(line),
      annotations: marks.map(flag),
    };
  }
}

function trace({ name, x, y, colour: named, points, faint, dashed }) {
  const drawn = colour(named);
  return {
    type: "scatter",
    name: plain(name),
    x,
    y,
    mode: points ? "lines+markers" : "lines",
    line: { color: drawn, width: faint ? 1 : 1.6, dash: dashed ? "dash" : "solid" },
    opacity: faint ? 0.3 : 1,
    hoverinfo: faint ? "skip" : "all",
    // One entry for all lines of a colour, which are shown and hidden together.
    legendgroup: named,
    showlegend: !faint && !dashed,
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
