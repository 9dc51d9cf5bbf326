// A form for a request body: fields by their path in it, and what the API says of each shown beside it.

import { Refusal } from "../data/api.js";
import { element, write } from "./element.js";

// What is no number goes out as it was written, and so does one that a script would round: the API reads both.
const number = (text) => {
  const value = Number(text);
  return Number.isNaN(value) || (Number.isInteger(value) && !Number.isSafeInteger(value)) ? text : value;
};
const PARSERS = { text: String, choice: String, number, number_or_name: number, json: JSON.parse };

let forms = 0;

export class Form {
  #fields = new Map();
  #touched = new Set();
  #number = forms++;
  #send;
  #button;
  #refused;

  /**
   * `groups` are {legend, fields, folded}; a field is {path, label, kind, choices, hint, required,
   * placeholder}.
   * Fields that are left empty are not sent. `send(body)` does the request; what it refuses is shown here.
   */
  constructor(groups, submit, send) {
    this.#send = send;
    this.#button = element("button", { type: "submit", class: "main" }, submit);
    this.#refused = element("p", { class: "reason", role: "alert", hidden: true });
    const sets = groups.map((group) => this.#group(group));
    this.element = element(
      "form",
      { class: "card fields", novalidate: true },
      ...sets,
      this.#refused,
      this.#button,
    );
    this.element.addEventListener("input", ({ target }) => this.#touched.add(target.name));
    this.element.addEventListener("submit", (told) => (told.preventDefault(), this.#submit()));
  }

  /** The control of a field. */
  control(path) {
    return this.#fields.get(path).control;
  }

  /** Offers other choices, {value: text}, in a field of choices; what is chosen stays where it can. */
  offer(path, choices) {
    const control = this.control(path);
    const chosen = control.value;
    control.replaceChildren(...options(choices));
    if (chosen in choices) control.value = chosen;
  }

  /** Fills fields from a body like the one that is sent, but for those that the reader has touched. */
  fill(body) {
    for (const [path, { control, kind }] of this.#fields) {
      if (this.#touched.has(path)) continue;
      const value = path.split(".").reduce((part, name) => part?.[name], body);
      if (kind === "json") control.value = this.#rest(path, value ?? {});
      else if (value !== undefined && value !== null) control.value = String(value);
    }
  }

  /** What of an object has no field of its own. */
  #rest(path, value) {
    const rest = Object.entries(value).filter(([name]) => !this.#fields.has(`${path}.${name}`));
    return rest.length ? JSON.stringify(Object.fromEntries(rest)) : "";
  }

  #group({ legend, fields, folded }) {
    const rows = fields.map((field) => this.#field(field));
    if (!folded) return element("fieldset", {}, element("legend", {}, legend), ...rows);
    const box = element("div", { class: "fieldset", role: "group", "aria-label": legend }, ...rows);
    return element("details", {}, element("summary", {}, legend), box);
  }

  #field({ path, label, kind, choices = {}, hint, required, placeholder }) {
    const id = `form-${this.#number}-${path}`;
    const described = { id, name: path, "aria-describedby": `${id}-hint ${id}-fault`, required, placeholder };
    const text = () => element("input", { ...described, autocomplete: "off", spellcheck: "false" });
    const control = {
      choice: () => element("select", described, ...options(choices)),
      json: () => element("textarea", { ...described, rows: 3, spellcheck: "false" }),
      number: () => element("input", { ...described, inputmode: "decimal", autocomplete: "off" }),
      number_or_name: text,
      text,
    }[kind]();
    const fault = element("p", { id: `${id}-fault`, class: "reason", hidden: true });
    this.#fields.set(path, { control, kind, fault, label });
    return element(
      "div",
      { class: "field" },
      element("label", { for: id }, label, required ? element("span", { class: "quiet" }, " needed") : null),
      control,
      element("p", { id: `${id}-hint`, class: "quiet", hidden: !hint }, hint ?? ""),
      fault,
    );
  }

  async #submit() {
    this.#clear();
    const body = this.#body();
    if (!body) return this.#focusFault();
    this.#button.disabled = true;
    try {
      await this.#send(body);
    } catch (error) {
      this.#show(error);
    } finally {
      this.#button.disabled = false;
    }
  }

  /** The request's body, or null where a field cannot be read. */
  #body() {
    const body = {};
    let sound = true;
    for (const [path, { control, kind, label }] of this.#fields) {
      const text = control.value.trim();
      if (text === "") {
        if (control.required) sound = this.#fault(path, `${label} is needed`);
        continue;
      }
      try {
        place(body, path, PARSERS[kind](text));
      } catch (error) {
        sound = this.#fault(path, `this is not JSON: ${error.message}`);
      }
    }
    return sound ? body : null;
  }

  #show(error) {
    const elsewhere = [];
    for (const { field, message } of error instanceof Refusal ? error.fields : []) {
      const path = this.#nearest(field);
      if (path) this.#fault(path, field === path ? message : `${field}: ${message}`);
      else elsewhere.push(`${field}: ${message}`);
    }
    const placed = error.fields?.length && !elsewhere.length;
    write(this.#refused, placed ? "" : elsewhere.join("; ") || error.message);
    this.#focusFault();
  }

  /** The field that holds what a path leads to: of several, the one that says most of it. */
  #nearest(path) {
    const holding = [...this.#fields.keys()].filter((known) => `${path}.`.startsWith(`${known}.`));
    return holding.sort((one, other) => one.length - other.length).pop();
  }

  #fault(path, message) {
    const { control, fault } = this.#fields.get(path);
    write(fault, message);
    control.setAttribute("aria-invalid", "true");
    const folded = control.closest("details");
    if (folded) folded.open = true;
    return false;
  }

  #clear() {
    write(this.#refused, "");
    for (const { control, fault } of this.#fields.values()) {
      write(fault, "");
      control.removeAttribute("aria-invalid");
    }
  }

  #focusFault() {
    this.element.querySelector("[aria-invalid]")?.focus();
  }
}

const options = (choices) =>
  Object.entries(choices).map(([value, text]) => element("option", { value }, text));

/** Puts a value at a path of a body; an object joins what is there already. */
function place(body, path, value) {
  const names = path.split(".");
  const last = names.pop();
  const parent = names.reduce((part, name) => (part[name] ??= {}), body);
  const joins = value !== null && typeof value === "object" && typeof parent[last] === "object";
  parent[last] = joins ? { ...parent[last], ...value } : value;
}
