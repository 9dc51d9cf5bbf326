// A table that scrolls sideways by itself on narrow screens, and can be reached by keyboard to do so.

import { element } from "./element.js";

export class Table {
  #body = element("tbody");
  #frame;
  #nothing;
  #numeric;
  #said;

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
    const said = JSON.stringify(rows.map((cells) => cells.map((cell) => cell?.textContent ?? cell)));
    if (said === this.#said) return;
    this.#said = said;
    this.#body.replaceChildren(...rows.map((cells) => this.#row(cells)));
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
