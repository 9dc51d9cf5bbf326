// One dataset: what is in it, whether its classes are even, how its photos look, and which were left out.

import { BarChart } from "../charts/bar_chart.js";
import { onThemeChange } from "../charts/theme.js";
import { read, send } from "../data/api.js";
import { isOver } from "../data/job_state.js";
import { actionButton } from "../parts/action.js";
import { confirmed } from "../parts/dialog.js";
import { element, Facts } from "../parts/element.js";
import { bytes, count, moment } from "../parts/figures.js";
import { Picture } from "../parts/picture.js";
import { Table } from "../parts/table.js";
import { DatasetSummary } from "./datasets.js";

const FACTS = ["Made", "Source", "Stored as", "Size", "Shards", "Seed", "Made by version"];
const QUARANTINE_PAGE = 200;
const LARGEST_PAGE = 1000;
// A dataset that is whole changes no more, but can be deleted, and made again under its name.
const PAUSE_OF_WHOLE_MILLISECONDS = 30_000;

export class DatasetView {
  /** How long what was read last is new enough; the page's own pause where it is undefined. */
  pause = undefined;
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
  #photos = [];
  #done = new Map();
  #name;
  #signal;
  #summary;
  #more;
  #delete;

  constructor({ id: name, say, signal }) {
    this.title = this.#name = name;
    this.#signal = signal;
    const heading = element("h1", { tabindex: "-1" }, name);
    this.#summary = new DatasetSummary(heading, { say, changed: () => this.refresh() });
    this.#delete = actionButton("Delete", (meanwhile) => this.#remove(meanwhile), say, { hidden: true });
    this.#more = actionButton("Show more", (meanwhile) => meanwhile(() => this.#showMore()), say, {
      hidden: true,
    });
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
      section("Quarantine", this.#quarantine.element, this.#more),
    );
    onThemeChange(() => this.#draw(), signal);
    signal.addEventListener("abort", () =>
      [this.#balance, this.#sheet, this.#mean].forEach((part) => part.close()),
    );
  }

  async refresh() {
    const path = `datasets/${this.#name}`;
    const dataset = await read(path);
    const { manifest } = dataset;
    const over = isOver(dataset.state);
    this.#summary.update(dataset);
    this.#delete.hidden = !over;
    if (manifest && this.#manifest?.created_at !== manifest.created_at) {
      this.#manifest = manifest;
      this.#done.clear();
      this.#whole.hidden = false;
      this.#show(manifest);
    }
    const photos = async () => {
      await this.#readQuarantine(0, Math.max(QUARANTINE_PAGE, this.#photos.length));
      return over;
    };
    if (!over) this.#done.delete("quarantine");
    const parts = [this.#once("quarantine", photos)];
    if (manifest)
      parts.push(
        this.#once("balance", () => this.#draw()),
        this.#once("sheet", () => this.#sheet.show(`${path}/contact-sheet`)),
        this.#once("mean", () => this.#mean.show(`${path}/mean-image`)),
      );
    const done = await Promise.all(parts);
    this.pause = manifest && !done.includes(false) ? PAUSE_OF_WHOLE_MILLISECONDS : undefined;
  }

  /** Does `act` until that tells that it is done, for each manifest; resolves to whether it is. */
  async #once(what, act) {
    const made = this.#manifest?.created_at ?? null;
    if (this.#done.get(what) !== made && (await act())) this.#done.set(what, made);
    return this.#done.get(what) === made;
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
    if (!this.#manifest) return false;
    const { classes, splits } = this.#manifest;
    const counted = Object.entries(splits).filter(([, split]) => split.class_counts);
    await this.#balance.draw(
      classes.map(({ name }) => name),
      counted.map(([name, split]) => ({ name, counts: split.class_counts })),
    );
    return true;
  }

  #showMore() {
    return this.#readQuarantine(this.#photos.length, QUARANTINE_PAGE);
  }

  /** Reads so many of the photos that were left out, without the first `after`, which stay as they are. */
  async #readQuarantine(after, wanted) {
    const photos = this.#photos.slice(0, after);
    const end = after + wanted;
    let total;
    for (let next = after; next !== null && next < end;) {
      const limit = Math.min(LARGEST_PAGE, end - next);
      const page = await read(`datasets/${this.#name}/quarantine?after=${next}&limit=${limit}`);
      photos.push(...page.items);
      ({ total, next_after: next } = page);
    }
    this.#photos = photos;
    const left = total - photos.length;
    this.#more.hidden = left <= 0;
    this.#more.textContent = `Show more (${count(left)} left)`;
    const name = (label) => this.#manifest?.classes[label]?.name ?? String(label);
    this.#quarantine.show(
      photos.map(({ path, split, label, reason, detail }) => [path, split, name(label), reason, detail]),
    );
  }

  async #remove(meanwhile) {
    if (!(await confirmed(`Delete the dataset ${this.#name} and all its shards?`, "Delete it"))) return;
    await meanwhile(() => send("DELETE", `datasets/${this.#name}`));
    if (!this.#signal.aborted) location.hash = "#/datasets";
  }
}

const storage = ({ image_size: side, write_mode: mode, jpeg_quality: quality }) =>
  `${side} × ${side}, ${mode}, quality ${quality}`;
