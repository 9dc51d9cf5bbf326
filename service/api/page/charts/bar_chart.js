// Counts of named things, as bars: of the splits of a dataset, class by class.

import { element } from "../parts/element.js";
import { count } from "../parts/figures.js";
import { library } from "./library.js";
import { plain } from "./plain.js";
import { colour } from "./theme.js";

const COLOURS = ["series-1", "series-2", "series-3"];

export class BarChart {
  #plotly = null;
  #closed = false;

  constructor(title) {
    this.title = title;
    this.canvas = element("div", { class: "chart", role: "img", "aria-label": title });
    this.about = element("p", { class: "quiet" });
    this.element = element("figure", { class: "card" }, this.about, this.canvas);
  }

  /** `series` are {name, counts}, a count for each of `names`. */
  async draw(names, series) {
    const told = series.map(
      ({ name, counts }) => `${name}: from ${count(Math.min(...counts))} to ${count(Math.max(...counts))}`,
    );
    const text = told.join(" · ") || "How many photos each class has is not told in this manifest.";
    this.about.textContent = text;
    this.canvas.hidden = series.length === 0;
    if (!series.length) return;
    this.canvas.setAttribute("aria-label", `${this.title}. ${text}`);
    const places = names.map((_, place) => place);
    const bars = series.map(({ name, counts }, place) => ({
      type: "bar",
      name,
      x: places,
      y: counts,
      text: names.map(plain),
      textposition: "none",
      hovertemplate: "%{text}: %{y}",
      marker: { color: colour(COLOURS[place % COLOURS.length]) },
    }));
    const plotly = await library();
    if (this.#closed) return;
    this.#plotly = plotly;
    await this.#plotly.react(this.canvas, bars, this.#layout(names), {
      displayModeBar: false,
      responsive: true,
    });
  }

  close() {
    this.#closed = true;
    this.#plotly?.purge(this.canvas);
  }

  #layout(names) {
    const few = names.length <= 30;
    const named = few
      ? { tickvals: names.map((_, place) => place), ticktext: names.map((name) => plain(name.slice(0, 24))) }
      : {};
    const common = { gridcolor: colour("rule"), automargin: true };
    return {
      height: 260,
      barmode: "group",
      showlegend: true,
      legend: { orientation: "h", x: 0, y: 1, yref: "container", yanchor: "top" },
      margin: { l: 44, r: 12, t: 30, b: 36 },
      paper_bgcolor: "transparent",
      plot_bgcolor: "transparent",
      font: { family: "system-ui, sans-serif", size: 12, color: colour("quiet") },
      hoverlabel: { bgcolor: colour("sheet"), bordercolor: colour("rule"), font: { color: colour("ink") } },
      xaxis: { ...common, ...named, title: few ? undefined : { text: "Class index" } },
      yaxis: { ...common, rangemode: "tozero" },
    };
  }
}
