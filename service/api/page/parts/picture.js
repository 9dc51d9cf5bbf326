// A picture that the API makes, asked for with the token and shown from memory.

import { picture } from "../data/api.js";
import { element, write } from "./element.js";

export class Picture {
  #image;
  #why = element("p", { class: "quiet", hidden: true });
  #path = null;

  constructor(description) {
    this.#image = element("img", { alt: description, hidden: true });
    this.element = element("div", { class: "picture" }, this.#image, this.#why);
  }

  /** Shows what lies at a path of the API, or says why there is none; the last one asked for is shown. */
  async show(path, description) {
    this.#path = path;
    try {
      const address = await picture(path);
      if (this.#path !== path) return URL.revokeObjectURL(address);
      this.close();
      this.#image.src = address;
      if (description) this.#image.alt = description;
      this.#image.hidden = false;
      write(this.#why, "");
    } catch (error) {
      if (this.#path !== path) return;
      this.#image.hidden = true;
      write(this.#why, error.message);
    }
  }

  close() {
    if (this.#image.src) URL.revokeObjectURL(this.#image.src);
    this.#image.removeAttribute("src");
  }
}
