// One dataset: what is in it, whether its classes are even, how its photos look, and which were left out.

import { BarChart } from "../charts/bar_chart.js";
import { onThemeChange } from "../charts/theme.js";
import { read, send } from "../data/api.js";
import { confirmed } from "../parts/dialog.js";
import { element, Facts } from "../parts/element.js";
import { bytes, count, isOver, moment } from "../parts/figures.js";
import { Picture } from "../parts/picture.js";
import { Table } from "../parts/table.js";
import { DatasetSummary } from "./datasets.js";

const FACTS = ["Made", "Source", "Stored as", "Size", "Shards", "Seed", "Made by version"];
const QUARANTINE_PAGE = 200;

export class DatasetView {
  #manifest = null;
  #facts = new Facts(FACTS);
  #balance = new BarChart("Photos in each class");
  #sheet = new Picture("Some photos of the classes, and the mean of all");
  #mean = new Picture("The mean training photo");
  #quarantine = new Table(
    "Photos that were left out",
    ["Photo", "Split", "Class", "Reason", "Detail"],
    "None.",
  );
  #whole = element("div", { hidden: true });
  #quarantined = false;
  #name;
  #say;
  #summary;
  #delete;

  constructor({ id: name, say, signal }) {
    this.title = this.#name = name;
    this.#say = say;
    const heading = element("h1", { tabindex: "-1" }, name);
    this.#summary = new DatasetSummary(heading, { say, changed: () => this.refresh() });
    this.#delete = element(
      "button",
      { type: "button", hidden: true, onclick: () => this.#remove() },
      "Delete",
    );
    this.#summary.line.append(this.#delete);
    const section = (title, ...children) => element("section", {}, element("h2", {}, title), ...children);
    this.#whole.append(
      this.#facts.element,
      section("Class balance", this.#balance.element),
      section(
        "Contact sheet",
        element(
          "div",
          { class: "sheet", tabindex: "0", role: "region", "aria-label": "Contact sheet" },
          this.#sheet.element,
        ),
      ),
      section("Mean image", this.#mean.element),
    );
    this.element = element(
      "div",
      {},
      this.#summary.line,
      ...this.#summary.rest,
      this.#whole,
      section("Quarantine", this.#quarantine.element),
    );
    onThemeChange(() => this.#draw(), signal);
    signal.addEventListener("abort", () =>
      [this.#balance, this.#sheet, this.#mean].forEach((part) => part.close()),
    );
  }

  async refresh() {
    const path = `datasets/${this.#name}`;
    const dataset = await read(path);
    this.#summary.update(dataset);
    this.#delete.hidden = !isOver(dataset.state);
    const isNew = dataset.manifest && this.#manifest?.created_at !== dataset.manifest.created_at;
    if (isNew) this.#manifest = dataset.manifest;
    if (isNew || !isOver(dataset.state) || !this.#quarantined) await this.#readQuarantine(path);
    if (!isNew) return;
    this.#whole.hidden = false;
    this.#show(dataset.manifest);
    await Promise.all([
      this.#draw(),
      this.#sheet.show(`${path}/contact-sheet`),
      this.#mean.show(`${path}/mean-image`),
    ]);
  }

  #show(manifest) {
    const shards = Object.values(manifest.splits).flatMap((split) => split.shards);
    this.#facts.show({
      Made: moment(manifest.created_at),
      Source: `${manifest.source.type} ${manifest.source.location}`,
      "Stored as": storage(manifest),
      Size: bytes(shards.reduce((sum, shard) => sum + shard.size_bytes, 0)),
      Shards: count(shards.length),
      Seed: String(manifest.seed),
      "Made by version": manifest.tool_version,
    });
  }

  async #draw() {
    if (!this.#manifest) return;
    const { classes, splits } = this.#manifest;
    const counted = Object.entries(splits).filter(([, split]) => split.class_counts);
    await this.#balance.draw(
      classes.map(({ name }) => name),
      counted.map(([name, split]) => ({ name, counts: split.class_counts })),
    );
  }

  async #readQuarantine(path) {
    const { items, total } = await read(`${path}/quarantine?limit=${QUARANTINE_PAGE}`);
    this.#quarantined = true;
    const name = (label) => this.#manifest?.classes[label]?.name ?? String(label);
    const rows = items.map(({ path: photo, split, label, reason, detail }) => [
      photo,
      split,
      name(label),
      reason,
      detail,
    ]);
    if (total > items.length) rows.push([`and ${count(total - items.length)} more`, "", "", "", ""]);
    this.#quarantine.show(rows);
  }

  async #remove() {
    if (!(await confirmed(`Delete the dataset ${this.#name} and all its shards?`, "Delete it"))) return;
    try {
      await send("DELETE", `datasets/${this.#name}`);
      location.hash = "#/datasets";
    } catch (error) {
      this.#say(error.message);
    }
  }
}

const storage = ({ image_size: side, write_mode: mode, jpeg_quality: quality }) =>
  `${side} × ${side}, ${mode}, quality ${quality}`;
