// What the first layer looks for, tower by tower (figure 3 of the paper), and how that came about.

import { read } from "../data/api.js";
import { element, write } from "../parts/element.js";
import { count } from "../parts/figures.js";
import { Picture } from "../parts/picture.js";
import { nameOf } from "../parts/run_name.js";

const RUNS = 100;
const PLAY_MILLISECONDS = 600;

export class FiltersView {
  title = "Filters";
  #steps = [];
  #towers = [];
  #playing = null;
  #run = element("select");
  #about = element("p", { class: "quiet" });
  #place = element("output", { for: "filters-step" });
  #slider = element("input", { id: "filters-step", type: "range", min: "0", max: "0", value: "0" });
  #pictures = element("div", { class: "towers" });
  #shown = null;
  #say;
  #asked;
  #play;

  constructor({ id, signal, say }) {
    this.#say = say;
    this.#asked = id;
    this.#run.addEventListener("change", () => (location.hash = `#/filters/${this.#run.value}`));
    this.#slider.addEventListener("input", () => this.#show());
    this.#play = element("button", { type: "button", onclick: () => this.#toggle() }, "Play");
    signal.addEventListener("abort", () => this.#close());
    this.element = element(
      "section",
      {},
      element("h1", { tabindex: "-1" }, "Filters"),
      element(
        "p",
        { class: "quiet" },
        "The first layer's kernels, which look at the photo itself. Grey is 0, on one scale for each step.",
      ),
      element(
        "div",
        { class: "controls" },
        element("label", {}, "Run ", this.#run),
        element("label", { for: "filters-step" }, "Step "),
        this.#slider,
        this.#place,
        this.#play,
      ),
      this.#about,
      this.#pictures,
    );
  }

  async refresh() {
    if (!this.#run.options.length) await this.#offerRuns();
    if (!this.#run.value) return write(this.#about, "No run has been started yet.");
    const { items } = await read(`runs/${this.#run.value}/filters`);
    if (items.length === this.#steps.length) return;
    const wasLast = Number(this.#slider.value) === this.#steps.length - 1 || !this.#steps.length;
    this.#steps = items;
    this.#slider.max = String(Math.max(0, items.length - 1));
    if (wasLast) this.#slider.value = this.#slider.max;
    write(
      this.#about,
      items.length ? "" : "This run has left no pictures yet: they are made with its checkpoints.",
    );
    await this.#show();
  }

  async #offerRuns() {
    const { items } = await read(`runs?limit=${RUNS}`);
    this.#run.replaceChildren(
      ...items.map((run) => element("option", { value: run.id }, `${nameOf(run)} (${run.state})`)),
    );
    if (this.#asked) this.#run.value = this.#asked;
  }

  async #show() {
    const at = this.#steps[this.#slider.value];
    if (!at || at.step === this.#shown) return;
    this.#shown = at.step;
    this.#place.textContent = `step ${count(at.step)}`;
    this.#slider.setAttribute("aria-valuetext", `step ${at.step}`);
    this.#layOut(at.towers);
    const path = `runs/${this.#run.value}/filters/${at.step}`;
    await Promise.all(
      this.#towers.map((picture, tower) =>
        picture.show(`${path}/${tower}`, `Kernels of tower ${tower} at step ${at.step}`),
      ),
    );
  }

  #layOut(towers) {
    if (this.#towers.length === towers) return;
    this.#towers = Array.from({ length: towers }, (_, tower) => new Picture(`Kernels of tower ${tower}`));
    const figures = this.#towers.map((picture, tower) => {
      const name = towers > 1 ? `Tower ${tower} (GPU ${tower + 1})` : "All kernels";
      return element(
        "figure",
        { class: `card tower-${tower}` },
        element("figcaption", {}, name),
        picture.element,
      );
    });
    this.#pictures.replaceChildren(...figures);
  }

  #toggle() {
    if (this.#playing) return this.#stop();
    if (Number(this.#slider.value) === this.#steps.length - 1) this.#slider.value = "0";
    this.#play.textContent = "Pause";
    this.#playing = setInterval(() => this.#next(), PLAY_MILLISECONDS);
    this.#show().catch((error) => this.#say(error.message));
  }

  #next() {
    if (Number(this.#slider.value) >= this.#steps.length - 1) return this.#stop();
    this.#slider.value = String(Number(this.#slider.value) + 1);
    this.#show().catch((error) => this.#say(error.message));
  }

  #stop() {
    clearInterval(this.#playing);
    this.#playing = null;
    this.#play.textContent = "Play";
  }

  #close() {
    this.#stop();
    this.#towers.forEach((picture) => picture.close());
  }
}
