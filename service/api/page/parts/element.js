// Elements made in script. Whatever the server says goes in as text, never as markup.

/** An element with attributes, listeners ({onclick: …}) and children: nodes, texts, or nothing. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Brings an element's text up to date. Writing it again would lose what a reader has selected in it. */
export function write(node, text) {
  if (node.textContent !== (text ?? "")) node.textContent = text ?? "";
  node.hidden = !text;
}

/** A list of terms, whose values are brought up to date by `show({term: text})`. */
export class Facts {
  #values;

  constructor(terms) {
    this.#values = new Map(terms.map((term) => [term, element("dd")]));
    const pairs = [...this.#values].map(([term, value]) =>
      element("div", {}, element("dt", {}, term), value),
    );
    this.element = element("dl", { class: "facts" }, ...pairs);
  }

  show(texts) {
    for (const [term, text] of Object.entries(texts)) {
      const value = this.#values.get(term);
      if (value.textContent !== text) value.textContent = text;
    }
  }
}
