// A photo, and the five things it most likely shows according to the default model.

import { request } from "./api.js";
import { percent } from "./figures.js";
import { Rows, write } from "./rows.js";

const PREVIEW_PIXELS = 480;

export class Classify {
  #panel = document.getElementById("classify");
  #rows = new Rows(document.getElementById("answers"), "answers-row");
  #asked = new AbortController();

  constructor() {
    const input = this.#panel.querySelector("input");
    input.addEventListener("change", () => {
      if (input.files.length) this.#classify(input.files[0]);
      // The same photo can be chosen twice in a row, by another model perhaps.
      input.value = "";
    });
    // On the whole page: a photo dropped beside the panel would otherwise replace the page.
    document.addEventListener("dragover", (drag) => drag.preventDefault());
    document.addEventListener("drop", (drop) => {
      drop.preventDefault();
      if (drop.dataTransfer.files.length) this.#classify(drop.dataTransfer.files[0]);
    });
  }

  async #classify(photo) {
    this.#asked.abort();
    const { signal } = (this.#asked = new AbortController());
    this.#show(`Looking at ${photo.name} …`, []);
    this.#preview(photo, signal);
    const body = new FormData();
    body.append("file", photo);
    try {
      const answer = await request("classify?top_k=5", { method: "POST", body, signal });
      const { model, version, predictions } = await answer.json();
      if (!signal.aborted) this.#show(`${photo.name}, by ${model}, version ${version}`, predictions[0].top_k);
    } catch (error) {
      if (!signal.aborted) this.#show(`${photo.name}: ${error.message}`, []);
    }
  }

  #show(message, likely) {
    this.#panel.querySelector("[role=status]").textContent = message;
    this.#rows.show(likely.map((one) => [one.index, one]), (row, { label, probability }) => {
      write(row, { label, percent: percent(probability) });
      row.querySelector("meter").value = probability;
    });
  }

  async #preview(photo, signal) {
    const canvas = this.#panel.querySelector("canvas");
    // A canvas, for the page's policy lets no image in that is not a file of this server.
    const image = await createImageBitmap(photo).catch(() => null);
    if (signal.aborted) return;
    canvas.hidden = !image;
    if (!image) return;
    const scale = Math.min(1, PREVIEW_PIXELS / Math.max(image.width, image.height));
    [canvas.width, canvas.height] = [image.width * scale, image.height * scale];
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    image.close();
  }
}
