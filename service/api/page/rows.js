// Lists of rows cloned from a template. Everything the server says goes in as text, never as markup.

/** A list's rows by key. They are kept from one showing to the next, so focus and open details stay. */
export class Rows {
  #rows = new Map();

  constructor(list, template, prepare = () => {}) {
    this.list = list;
    this.template = document.getElementById(template);
    this.prepare = prepare;
  }

  /** Makes the list show these items, [key, item] in order; `fill(row, item)` brings one row up to date. */
  show(entries, fill) {
    const wanted = new Set(entries.map(([key]) => key));
    for (const [key, row] of this.#rows) {
      if (!wanted.has(key)) row.remove(), this.#rows.delete(key);
    }
    entries.forEach(([key, item], place) => {
      if (!this.#rows.has(key)) this.#add(key, item);
      const row = this.#rows.get(key);
      if (this.list.children[place] !== row) this.list.insertBefore(row, this.list.children[place] ?? null);
      fill(row, item);
    });
    const empty = this.list.nextElementSibling;
    if (empty) empty.hidden = entries.length > 0;
  }

  #add(key, item) {
    const row = this.template.content.firstElementChild.cloneNode(true);
    this.prepare(row, item);
    this.#rows.set(key, row);
  }
}

/** Puts texts into a row's fields; a field without text is hidden. */
export function write(row, texts) {
  for (const [name, text] of Object.entries(texts)) {
    const field = row.querySelector(`[data-field="${name}"]`);
    // Writing the same text again would lose what a reader has selected in it.
    if (field.textContent !== text) field.textContent = text ?? "";
    field.hidden = !text;
  }
}
