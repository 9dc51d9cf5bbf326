// Lists whose rows are kept from one showing to the next, so that focus, selection and open details stay.

import { element, write } from "./element.js";

export class Rows {
  #rows = new Map();
  #make;
  #empty;

  /** `make(item)` gives {element, update(item)}; `empty` is said where there is nothing to list. */
  constructor(list, make, empty) {
    this.list = list;
    this.#make = make;
    this.#empty = empty;
    this.nothing = element("p", { class: "quiet", hidden: true }, empty);
    this.element = element("div", {}, list, this.nothing);
  }

  /** Makes the list show these items, [key, item] in order; `empty` is said where there are none. */
  show(entries, empty = this.#empty) {
    const wanted = new Set(entries.map(([key]) => key));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) (row.element.remove(), this.#rows.delete(key));
    }
    entries.forEach(([key, item], place) => {
      if (!this.#rows.has(key)) this.#rows.set(key, this.#make(item));
      const row = this.#rows.get(key);
      const there = this.list.children[place];
      if (there !== row.element) this.list.insertBefore(row.element, there ?? null);
      row.update(item);
    });
    this.list.hidden = entries.length === 0;
    write(this.nothing, entries.length ? "" : empty);
  }
}
