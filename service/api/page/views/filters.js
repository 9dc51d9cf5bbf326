// What the first layer looks for, tower by tower (figure 3 of the paper), and how that came about.

import { read, Refusal } from "../data/api.js";
import { element, write } from "../parts/element.js";
import { count } from "../parts/figures.js";
import { Picture } from "../parts/picture.js";
import { nameOf } from "../data/run_name.js";

const RUNS = 100;
const PLAY_MILLISECONDS = 600;

export class FiltersView {
  title = "Filters";
  #steps = null;
  #towers = [];
  #playing = null;
  #run = element("select");
  #about = element("p", { class: "quiet" });
  #place = element("output", { for: "filters-step" });
  #slider = element("input", { id: "filters-step", type: "range", min: "0", max: "0", value: "0" });
  #pictures = element("div", { class: "towers" });
  #shown = null;
  #drawing = false;
  #runs = null;
  #asked;
  #signal;
  #play;

  constructor({ id, signal, say }) {
    this.#asked = id;
    this.#signal = signal;
    this.#run.addEventListener("change", () => this.#turnTo().catch((error) => say(error.message)));
    this.#run.addEventListener("focus", () => this.#offerRuns().catch((error) => say(error.message)));
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
    if (!this.#run.value) await this.#offerRuns();
    if (!this.#run.value) {
      const others = this.#run.options.length > 0;
      return write(this.#about, others ? "There is no such run." : "No run has been started yet.");
    }
    const run = this.#run.value;
    const { items } = await read(`runs/${run}/filters`);
    // The reader may have turned to another one meanwhile.
    if (this.#run.value !== run) return;
    this.#offer(items);
    await this.#show();
  }

  /** Another run in the same view: whoever goes through the runs by keyboard stays where they are. */
  async #turnTo() {
    history.replaceState(null, "", `#/filters/${this.#run.value}`);
    this.#stop();
    this.#steps = this.#shown = null;
    this.#place.textContent = "";
    this.#layOut(0);
    await this.refresh();
  }

  /** Offers steps; a reader who looks at the last one is shown the next that comes. */
  #offer(steps) {
    const known = this.#steps?.length ?? 0;
    const wasLast = !known || Number(this.#slider.value) === known - 1;
    this.#steps = steps;
    this.#slider.max = String(Math.max(0, steps.length - 1));
    if (wasLast) this.#slider.value = this.#slider.max;
    write(
      this.#about,
      steps.length ? "" : "This run has left no pictures yet: they are made with its checkpoints.",
    );
  }

  async #offerRuns() {
    const { items } = await read(`runs?limit=${RUNS}`);
    // A link may lead to a run that is older than all of these.
    if (this.#asked && !items.some(({ id }) => id === this.#asked)) items.push(...(await runOf(this.#asked)));
    const runs = items.map((run) => [run.id, `${nameOf(run)} (${run.state})`]);
    const said = JSON.stringify(runs);
    if (said === this.#runs) return;
    const chosen = this.#run.value || this.#asked;
    this.#run.replaceChildren(...runs.map(([value, text]) => element("option", { value }, text)));
    if (chosen) this.#run.value = chosen;
    this.#runs = said;
  }

  /** Shows the step that the slider is at. */
  async #show() {
    const at = this.#at;
    if (!at) return;
    this.#place.textContent = `step ${count(at.step)}`;
    this.#slider.setAttribute("aria-valuetext", `step ${at.step}`);
    // While the pictures of one step are on their way only the newest of all others waits for its turn.
    if (this.#drawing) return;
    this.#drawing = true;
    for (let settled = true; settled && this.#at && this.#at.step !== this.#shown && !this.#signal.aborted;)
      settled = await this.#draw(this.#at);
    this.#drawing = false;
  }

  get #at() {
    return this.#steps?.[this.#slider.value];
  }

  /** Resolves to whether there is no more to be had of a step: else the next refresh asks again. */
  async #draw({ step, towers }) {
    this.#layOut(towers);
    const run = this.#run.value;
    const path = `runs/${run}/filters/${step}`;
    const settled = await Promise.all(
      this.#towers.map((picture, tower) =>
        picture.show(`${path}/${tower}`, `Kernels of tower ${tower} at step ${step}`),
      ),
    );
    if (this.#run.value !== run) return true;
    if (settled.includes(false)) return this.#at.step !== step;
    this.#shown = step;
    return true;
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
    if (!this.#steps?.length) return;
    if (Number(this.#slider.value) === this.#steps.length - 1) this.#slider.value = "0";
    this.#play.textContent = "Pause";
    this.#playing = setInterval(() => this.#next(), PLAY_MILLISECONDS);
    this.#show();
  }

  #next() {
    if (Number(this.#slider.value) >= this.#steps.length - 1) return this.#stop();
    this.#slider.value = String(Number(this.#slider.value) + 1);
    this.#show();
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

/** A run in a list, which is empty where there is no such run. */
async function runOf(id) {
  try {
    return [await read(`runs/${id}`)];
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return [];
    throw error;
  }
}
