// Which other runs are laid beside one: named in a line, and chosen by boxes in a list below it.

import { read } from "../data/api.js";
import { distinctNames } from "../data/run_name.js";
import { MOST_BESIDE } from "../data/runs_beside.js";
import { element, write } from "./element.js";
import { Rows } from "./rows.js";
import { State } from "./state.js";

const NEWEST = 50;

export class Beside {
  #id;
  #beside;
  #listed = [];
  #isRead = false;
  #laid = element("span", { class: "quiet" });
  #said = element("p", { class: "quiet", role: "status", hidden: true });
  #rows;
  #trouble = null;
  #details;

  /** `beside` are the `RunsBeside` the run of this id. */
  constructor(id, beside) {
    this.#id = id;
    this.#beside = beside;
    const list = element("div", { class: "fieldset", role: "group", "aria-label": "Beside it" });
    this.#rows = new Rows(list, () => this.#row(), "There is no other run.");
    const open = () => {
      this.#isRead = false;
      this.refresh();
    };
    this.#details = element(
      "details",
      { ontoggle: ({ target }) => target.open && open() },
      element("summary", {}, "Beside it: ", this.#laid),
      element("p", { class: "quiet" }, `Up to ${MOST_BESIDE} of the newest runs, in the same charts`),
      this.#rows.element,
    );
    this.element = element("div", {}, this.#details, this.#said);
    this.show();
  }

  /** Lists the runs that can be laid beside it, once whenever the list is opened: it moves under nobody. */
  async refresh() {
    if (!this.#details.open || this.#isRead) return;
    try {
      const { items } = await read(`runs?limit=${NEWEST}`);
      this.#list(items);
      this.#isRead = true;
      this.#trouble = null;
    } catch (error) {
      this.#trouble = error;
    }
    this.show();
  }

  /** Shows what is laid by now. */
  show() {
    const { runs, gone } = this.#beside;
    const names = distinctNames(runs);
    const swatches = runs.map(({ place }, index) => [index ? ", " : "", swatch(place), ` ${names[index]}`]);
    this.#laid.replaceChildren(...(runs.length ? swatches.flat() : ["no other run"]));
    const said = [
      ...gone.map((name) => `${name} is no longer there`),
      ...runs.map(({ name, trouble }) => trouble && `${name}: ${trouble.message}`),
      this.#trouble && `The other runs: ${this.#trouble.message}`,
    ];
    write(this.#said, said.filter(Boolean).join(" · "));
    const listed = distinctNames(this.#listed);
    this.#rows.show(this.#listed.map((run, index) => [run.id, { ...run, name: listed[index] }]));
  }

  #list(items) {
    const laid = this.#beside.runs.map(({ id, run }) => run ?? { id });
    const others = items.filter(({ id }) => id !== this.#id && laid.every((one) => one.id !== id));
    this.#listed = [...laid, ...others];
  }

  #row() {
    const box = element("input", { type: "checkbox" });
    const [colour, name, state] = [element("span"), element("span"), new State()];
    let shown;
    box.addEventListener("change", () => this.#lay(shown, box.checked));
    return {
      element: element("label", { class: "choice" }, box, colour, name, state.element),
      update: (run) => {
        shown = run.id;
        const laid = this.#beside.runs.find(({ id }) => id === run.id);
        box.checked = laid !== undefined;
        box.disabled = !laid && this.#beside.runs.length === MOST_BESIDE;
        colour.className = laid ? `swatch run-${laid.place}` : "swatch";
        write(name, run.name);
        state.show(laid?.run?.state ?? run.state);
      },
    };
  }

  #lay(id, isWanted) {
    const { ids } = this.#beside;
    this.#beside.lay(isWanted ? [...ids, id] : ids.filter((laid) => laid !== id));
  }
}

const swatch = (place) => element("span", { class: `swatch run-${place}` });
