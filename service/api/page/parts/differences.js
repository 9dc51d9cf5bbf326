// What differs between runs that are laid beside each other: their latest figures, and their settings.

import { differing, flatSettings } from "../data/settings.js";
import { element } from "./element.js";
import { count, decimal, percent } from "./figures.js";
import { Table } from "./table.js";

const FIGURES = {
  State: ({ state }) => state,
  Step: ({ progress }) => count(progress.step),
  Loss: ({ progress }) => decimal(progress.loss),
  "Best top-1 error": ({ progress }) => percent(progress.best_val_top1_error ?? progress.val_top1_error),
  "Images/s": ({ progress }) => count(progress.images_per_second),
};

export class Differences {
  #names = "";
  #table;
  #body = element("div");
  element = element("section", { hidden: true }, element("h2", {}, "What differs"), this.#body);

  /** Shows runs, {name, run, resolved}, a column for each; nothing where there is one alone. */
  show(runs) {
    this.element.hidden = runs.length < 2;
    if (this.element.hidden) return;
    this.#head(runs.map(({ name }) => name));
    const figures = Object.entries(FIGURES).map(([figure, of]) => [
      figure,
      ...runs.map(({ run }) => of(run)),
    ]);
    // Of one whose settings are lost nobody can say in what it differs.
    const flat = runs.map(({ resolved }) => resolved && flatSettings(resolved));
    const known = flat.filter(Boolean);
    const settings = differing(known).map((path) => [path, ...flat.map((each) => text(each?.[path]))]);
    this.#table.show([...figures, ...settings]);
  }

  #head(names) {
    const told = JSON.stringify(names);
    if (told === this.#names) return;
    this.#names = told;
    // Before a name the sign of a column of numbers: one that begins with it stays whole.
    this.#table = new Table("What differs", ["Figure or setting", ...names.map((name) => `#${name}`)], "");
    this.#body.replaceChildren(this.#table.element);
  }
}

function text(value) {
  if (value === undefined || value === null) return "–";
  return typeof value === "string" ? value : JSON.stringify(value);
}
