// The published models: their versions, newest first, and which of them each alias means.

import { read } from "./api.js";
import { count, percent } from "./figures.js";
import { Rows, write } from "./rows.js";

export class Models {
  #versions = new WeakMap();
  #rows = new Rows(document.getElementById("models"), "models-row", (row) => {
    this.#versions.set(row, new Rows(row.querySelector("ul"), "version-row"));
  });

  async refresh() {
    const { items } = await read("models");
    this.#rows.show(items.map((model) => [model.name, model]), (row, { name, versions, aliases }) => {
      write(row, { name });
      const entries = versions.map((version) => [version.version, version]).reverse();
      this.#versions.get(row).show(entries, (item, version) => fill(item, version, aliases));
    });
  }
}

function fill(row, { version, network, dataset, step, metrics }, aliases) {
  const names = Object.keys(aliases).filter((alias) => aliases[alias] === version);
  const error = metrics.val_top1_error;
  const facts = [`${network} on ${dataset}`, `step ${count(step)}`];
  if (Number.isFinite(error)) facts.push(`top-1 error ${percent(error)}`);
  write(row, { version: `Version ${version}`, aliases: names.join(", "), about: facts.join(" · ") });
}
