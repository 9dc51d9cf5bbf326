// A table that scrolls sideways by itself on narrow screens, and can be reached by keyboard to do so.

import { element } from "./element.js";

export class Table {
  #body = element("tbody");
  #frame;
  #nothing;
  #numeric;
  #said;
  #rows = new Map();

  /** `columns` are headings; one that begins with "#" is of numbers. */
  constructor(caption, columns, empty) {
    this.#numeric = columns.map((column) => column.startsWith("#"));
    const headings = columns.map((column, place) =>
      element("th", { scope: "col", class: this.#numeric[place] && "number" }, column.replace(/^#/, "")),
    );
    const table = element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...headings)),
      this.#body,
    );
    this.#frame = element(
      "div",
      { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
      table,
    );
    this.#nothing = element("p", { class: "quiet" }, empty);
    this.element = element("div", {}, this.#frame, this.#nothing);
    this.show([]);
  }

  /** Rows of texts and nodes. Nothing is touched where the texts are as they were. */
  show(rows) {
    const said = rows.map(key).join();
    if (said === this.#said) return;
    this.#said = said;
    // Rows that are as they were stay: one of them may have the reader's focus.
    const before = this.#rows;
    this.#rows = new Map();
    rows.forEach((cells, place) => {
      let told = key(cells);
      while (this.#rows.has(told)) told += "again";
      const row = before.get(told) ?? this.#row(cells);
      this.#rows.set(told, row);
      const there = this.#body.children[place];
      if (there !== row) this.#body.insertBefore(row, there ?? null);
    });
    while (this.#body.children.length > rows.length) this.#body.lastChild.remove();
    this.#frame.hidden = rows.length === 0;
    this.#nothing.hidden = rows.length > 0;
  }

  #row(cells) {
    const made = cells.map((cell, place) =>
      element("td", { class: this.#numeric[place] && "number" }, cell ?? ""),
    );
    return element("tr", {}, ...made);
  }
}

const key = (cells) => JSON.stringify(cells.map((cell) => cell?.textContent ?? cell));
