// A photo with its likeliest classes as bars, the true one coloured, and its nearest training photos.

import { element, write } from "./element.js";
import { percent } from "./figures.js";
import { classInName } from "./true_class.js";

const BARS = 5;

export class Answer {
  #photo;
  #image;
  #about = element("p", { class: "quiet" });
  #bars = element("ol", { class: "bars" });
  #truth = element("p", { class: "quiet", hidden: true });
  #nearest = element("ul", { class: "nearest" });
  #addresses = [];
  #closed = false;

  constructor(photo) {
    this.#photo = photo;
    this.#image = element("img", { src: this.#address(photo.file), alt: photo.file.name });
    this.#image.addEventListener("error", () => (this.#image.hidden = true));
    write(this.#about, `Looking at ${photo.file.name} …`);
    this.element = element(
      "li",
      { class: "card answer" },
      element("div", { class: "asked" }, this.#image),
      element("div", {}, this.#about, this.#bars, this.#truth),
      this.#nearest,
    );
  }

  /** `likely` are all classes, likeliest first: the true one is shown wherever it stands among them. */
  show({ model, version, top_k: likely }) {
    const names = classInName(this.#photo);
    const ranks = names.map((name) => likely.findIndex(({ id }) => id === name));
    const rank = ranks.find((place) => place >= 0) ?? -1;
    const shown = likely.filter((_, place) => place < BARS || place === rank);
    write(this.#about, `${this.#photo.file.name}, by ${model}, version ${version}`);
    this.#bars.replaceChildren(...shown.map((one) => bar(one, one === likely[rank])));
    if (rank < 0) return;
    const told = likely[rank].id === this.#photo.folder ? "folder" : "name";
    write(this.#truth, `✓ the class that its ${told} tells, at rank ${rank + 1}`);
  }

  showNearest({ nearest, reason }) {
    if (this.#closed) return;
    if (reason) return this.#nearest.replaceChildren(element("li", { class: "quiet" }, reason));
    const shown = nearest.map(({ label, distance, thumbnail }) => {
      const bytes = Uint8Array.from(atob(thumbnail.b64), (letter) => letter.charCodeAt(0));
      const src = this.#address(new Blob([bytes], { type: "image/jpeg" }));
      const text = `${label}, distance ${distance.toPrecision(3)}`;
      return element("li", {}, element("img", { src, alt: `Training photo: ${text}`, title: text }));
    });
    this.#nearest.replaceChildren(
      element("li", { class: "quiet wide" }, "The training photos that are most like it"),
      ...shown,
    );
  }

  refuse(reason) {
    write(this.#about, `${this.#photo.file.name}: ${reason}`);
    this.#about.className = "reason";
  }

  /** Takes it out of the page, and out of memory. */
  close() {
    this.#closed = true;
    this.element.remove();
    this.#addresses.forEach((address) => URL.revokeObjectURL(address));
  }

  #address(blob) {
    const address = URL.createObjectURL(blob);
    this.#addresses.push(address);
    return address;
  }
}

function bar({ label, probability }, isTrue) {
  return element(
    "li",
    { class: isTrue && "true" },
    element(
      "div",
      { class: "line" },
      element("span", {}, label, isTrue ? " ✓" : null),
      element("span", { class: "number" }, percent(probability)),
    ),
    element("meter", { max: "1", value: String(probability), "aria-hidden": "true" }),
  );
}
