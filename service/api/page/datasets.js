// The datasets: whole ones with what they hold, others with how far their preparation is.

import { read } from "./api.js";
import { count, duration, isOver } from "./figures.js";
import { Rows, write } from "./rows.js";

export class Datasets {
  #rows = new Rows(document.getElementById("datasets"), "datasets-row");

  /** Resolves to whether one is being prepared. */
  async refresh() {
    const { items } = await read("datasets");
    this.#rows.show(items.map((dataset) => [dataset.name, dataset]), fill);
    return items.some(({ state }) => !isOver(state));
  }
}

function fill(row, { name, state, reason, progress, manifest }) {
  row.dataset.state = state;
  write(row, { name, state, reason, about: manifest ? contents(manifest) : pace(progress) });
  const bar = row.querySelector("progress");
  bar.hidden = isOver(state);
  bar.value = progress.photos_total ? progress.photos_done / progress.photos_total : 0;
}

function contents({ classes, splits, image_size: size, quarantined }) {
  const counts = Object.entries(splits).map(([split, { num_samples }]) => `${count(num_samples)} ${split}`);
  const facts = [`${count(classes.length)} classes`, ...counts, `${size} × ${size} pixels`];
  if (quarantined) facts.push(`${count(quarantined)} quarantined`);
  return facts.join(" · ");
}

function pace({ photos_done: done, photos_total: total, photos_per_second: speed, eta_seconds: left }) {
  if (total === undefined) return "";
  return `${count(done)} of ${count(total)} photos · ${count(speed)} a second · ${duration(left)} left`;
}
