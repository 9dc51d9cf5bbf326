// Photos, what they most likely show, and the training photos they are most like (figure 4 of the paper).

import { read } from "../data/api.js";
import { classify, similar } from "../data/answers.js";
import { dropped } from "../data/dropped.js";
import { Camera } from "../parts/camera.js";
import { element, write } from "../parts/element.js";
import { Answer } from "../parts/answer.js";
import { count, percent } from "../parts/figures.js";

const MOST_PHOTOS = 24;
// Each holds its photo in memory.
const KEPT_ANSWERS = 48;

export class ClassifyView {
  title = "Classify";
  #models = [];
  #model = element("select");
  #views = element(
    "select",
    {},
    element("option", { value: "1" }, "one view"),
    element("option", { value: "10" }, "ten views"),
  );
  #about = element("p", { class: "quiet" });
  #status = element("p", { role: "status" });
  // What is seen at once is said too; a part of the page that appears with its text would not be.
  #heard = element("p", { role: "status", class: "unseen" });
  #answers = element("ol", { class: "cards answers" });
  #kept = [];
  #said = null;
  #signal;

  constructor({ signal }) {
    this.#signal = signal;
    const files = element("input", { type: "file", accept: "image/*", multiple: true, class: "unseen" });
    files.addEventListener("change", () => {
      this.#take([...files.files].map((file) => ({ file })));
      // The same photo can be chosen twice in a row, by another model perhaps.
      files.value = "";
    });
    const camera = new Camera({
      taken: (file) => this.#take([{ file }]),
      say: (text) => write(this.#status, text),
      signal,
    });
    this.element = element(
      "section",
      {},
      element("h1", { tabindex: "-1" }, "Classify"),
      element(
        "div",
        { class: "controls" },
        element("label", {}, "Model ", this.#model),
        element("label", {}, "Look at ", this.#views),
      ),
      this.#about,
      element(
        "label",
        { class: "drop" },
        files,
        element("span", {}, "Drop photos anywhere, paste one, or choose them"),
      ),
      camera.element,
      this.#status,
      this.#heard,
      this.#answers,
    );
    this.#model.addEventListener("change", () => this.#tell());
    signal.addEventListener("abort", () => this.#kept.forEach((answer) => answer.close()));
    this.#listen();
  }

  async refresh() {
    const { items } = await read("models");
    const versions = items.flatMap(({ name, versions, aliases }) =>
      versions.toReversed().map((version) => ({ name, aliases, ...version })),
    );
    // Versions come and go, and an alias moves from one to another.
    const said = JSON.stringify(versions);
    if (said === this.#said) return;
    const chosen = this.#model.value;
    this.#models = versions;
    const text = ({ name, version, aliases }) => {
      const names = Object.keys(aliases).filter((alias) => aliases[alias] === version);
      return `${name}, version ${version}${names.length ? ` (${names.join(", ")})` : ""}`;
    };
    const named = versions.map((version) =>
      element("option", { value: `${version.name}/versions/${version.version}` }, text(version)),
    );
    this.#model.replaceChildren(element("option", { value: "" }, "the default model"), ...named);
    if (named.some(({ value }) => value === chosen)) this.#model.value = chosen;
    this.#tell();
    this.#said = said;
  }

  #tell() {
    const { network, dataset, step, metrics } =
      this.#models.find(({ name, version }) => `${name}/versions/${version}` === this.#model.value) ?? {};
    if (!network) return write(this.#about, this.#models.length ? "" : "No model has been published yet.");
    write(
      this.#about,
      `${network} on ${dataset}, step ${count(step)}, top-1 error ${percent(metrics.val_top1_error)}`,
    );
  }

  #listen() {
    const options = { signal: this.#signal };
    // On the whole page: a photo dropped beside the panel would otherwise replace the page.
    document.addEventListener("dragover", (drag) => drag.preventDefault(), options);
    document.addEventListener(
      "drop",
      (drop) => {
        drop.preventDefault();
        this.#takeDropped(dropped(drop.dataTransfer));
      },
      options,
    );
    document.addEventListener(
      "paste",
      (paste) => this.#take([...paste.clipboardData.files].map((file) => ({ file }))),
      options,
    );
  }

  async #takeDropped(found) {
    const photos = [];
    const unread = [];
    for await (const one of found) {
      if (one.unread) unread.push(one.unread);
      else photos.push(one);
      if (photos.length > MOST_PHOTOS || this.#signal.aborted) break;
    }
    const none = photos.length ? "" : "There was no photo in what was dropped.";
    await this.#take(photos, unread.length ? `These could not be read: ${unread.join(", ")}.` : none);
  }

  async #take(all, trouble = "") {
    const photos = all.slice(0, MOST_PHOTOS);
    const rest =
      all.length > MOST_PHOTOS ? `The first ${MOST_PHOTOS} are looked at; the others are left out.` : "";
    write(this.#status, [rest, trouble].filter(Boolean).join(" "));
    // One after the other: the newest stands on top, and serving has others to answer too.
    for (const photo of photos) {
      if (this.#signal.aborted) return;
      const answer = new Answer(photo);
      this.#answers.prepend(answer.element);
      this.#kept.unshift(answer);
      this.#kept.splice(KEPT_ANSWERS).forEach((old) => old.close());
      await this.#ask(photo, answer);
    }
  }

  async #ask(photo, answer) {
    const model = this.#model.value;
    try {
      const given = await classify(photo.file, model, this.#views.value, this.#signal);
      answer.show(given);
      const [{ label, probability }] = given.top_k;
      this.#heard.textContent = `${photo.file.name}: ${label}, ${percent(probability)}`;
      answer.showNearest(await similar(photo.file, given, this.#signal));
    } catch (error) {
      if (!this.#signal.aborted) answer.refuse(error.message);
    }
  }
}
