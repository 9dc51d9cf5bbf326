// A picture that the API makes, asked for with the token and shown from memory.

import { picture, Refusal } from "../data/api.js";
import { element, write } from "./element.js";

const ABSENT = 404;

export class Picture {
  #image;
  #why = element("p", { class: "quiet", hidden: true });
  #path = null;
  #closed = false;

  constructor(description) {
    this.#image = element("img", { alt: description, hidden: true });
    this.element = element("div", { class: "picture" }, this.#image, this.#why);
  }

  /**
   * Shows what lies at a path of the API, or says why there is none; the last one asked for is shown.
   * Resolves to whether that is settled: asked again, the server may have it where it did not answer.
   */
  async show(path, description) {
    this.#path = path;
    try {
      const address = await picture(path);
      if (this.#closed || this.#path !== path) return (URL.revokeObjectURL(address), true);
      this.#revoke();
      this.#image.src = address;
      if (description) this.#image.alt = description;
      this.#image.hidden = false;
      write(this.#why, "");
      return true;
    } catch (error) {
      if (this.#path !== path) return true;
      this.#image.hidden = true;
      write(this.#why, error.message);
      return error instanceof Refusal && error.status === ABSENT;
    }
  }

  close() {
    this.#closed = true;
    this.#revoke();
  }

  #revoke() {
    if (this.#image.src) URL.revokeObjectURL(this.#image.src);
    this.#image.removeAttribute("src");
  }
}
