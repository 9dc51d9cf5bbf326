// A photo with its likeliest classes as bars, the true one in another colour, and its nearest training photos.

import { element, write } from "./element.js";
import { percent } from "./figures.js";
import { classInName } from "./true_class.js";

export class Answer {
  #photo;
  #image;
  #about = element("p", { class: "quiet" });
  #bars = element("ol", { class: "bars" });
  #truth = element("p", { class: "quiet", hidden: true });
  #nearest = element("ul", { class: "nearest" });
  #addresses = [];

  constructor(photo, signal) {
    this.#photo = photo;
    this.#image = element("img", { src: this.#address(photo), alt: photo.name });
    this.#image.addEventListener("error", () => (this.#image.hidden = true), { signal });
    write(this.#about, `Looking at ${photo.name} …`);
    this.element = element(
      "li",
      { class: "card answer" },
      element("div", { class: "asked" }, this.#image),
      element("div", {}, this.#about, this.#bars, this.#truth),
      this.#nearest,
    );
    signal.addEventListener("abort", () =>
      this.#addresses.forEach((address) => URL.revokeObjectURL(address)),
    );
  }

  show({ model, version, top_k: likely }) {
    const truth = classInName(this.#photo);
    write(this.#about, `${this.#photo.name}, by ${model}, version ${version}`);
    const found = likely.find(({ id }) => truth.includes(id));
    this.#bars.replaceChildren(...likely.map((one) => bar(one, one === found)));
    if (found) write(this.#truth, `${found.label} is the class that its name tells.`);
  }

  showNearest({ nearest, reason }) {
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
    write(this.#about, `${this.#photo.name}: ${reason}`);
    this.#about.className = "reason";
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
