// The datasets: whole ones with what they hold, others with how far their preparation is.

import { read, send } from "../data/api.js";
import { canGoOn, isOver } from "../data/job_state.js";
import { actionButton } from "../parts/action.js";
import { confirmed } from "../parts/dialog.js";
import { element, write } from "../parts/element.js";
import { count, duration } from "../parts/figures.js";
import { Rows } from "../parts/rows.js";
import { State } from "../parts/state.js";

const IDLE_PAUSE_MILLISECONDS = 15_000;

export class DatasetsView {
  title = "Datasets";
  #rows;

  constructor({ say }) {
    const make = (dataset) => new DatasetRow(dataset, { say, changed: () => this.refresh() });
    this.#rows = new Rows(
      element("ul", { class: "cards" }),
      make,
      "No datasets yet. Prepare one, or: tandem prepare SOURCE --out HOME/datasets/NAME",
    );
    this.element = element(
      "section",
      {},
      element(
        "div",
        { class: "line" },
        element("h1", { tabindex: "-1" }, "Datasets"),
        element("a", { class: "button main", href: "#/prepare" }, "Prepare a dataset"),
      ),
      this.#rows.element,
    );
  }

  async refresh() {
    const { items } = await read("datasets");
    this.#rows.show(items.map((dataset) => [dataset.name, dataset]));
    // Each comes with all that its manifest says.
    this.pause = items.every(({ state }) => isOver(state)) ? IDLE_PAUSE_MILLISECONDS : undefined;
  }
}

/** A dataset in short, as in the list of all and at the head of its own page. */
export class DatasetSummary {
  #state = new State();
  #about = element("p", { class: "quiet" });
  #reason = element("p", { class: "reason", hidden: true });
  #bar = element("progress", { max: "1", value: "0", "aria-label": "Photos prepared" });
  #again = element("a", { class: "button", hidden: true }, "Prepare again");
  #stop;
  #name;

  constructor(heading, { say, changed }) {
    this.#stop = actionButton(
      "Stop",
      (meanwhile) => this.#ask(meanwhile, changed),
      (trouble) => say(trouble && `${this.#name}: ${trouble}`),
      { hidden: true },
    );
    this.line = element("div", { class: "line" }, heading, this.#state.element, this.#stop, this.#again);
    this.rest = [this.#about, this.#reason, this.#bar];
  }

  update({ name, state, reason, progress, manifest, spec }) {
    this.#name = name;
    this.#state.show(state);
    write(this.#about, manifest ? contents(manifest) : pace(progress));
    write(this.#reason, reason);
    this.#bar.hidden = isOver(state);
    this.#bar.value = progress.photos_total ? progress.photos_done / progress.photos_total : 0;
    this.#stop.hidden = isOver(state) || state === "stopping";
    this.#stop.setAttribute("aria-label", `Stop preparing ${name}`);
    this.#again.hidden = !canGoOn(state) || !spec;
    this.#again.setAttribute("href", `#/prepare?like=${name}`);
    this.#again.setAttribute("aria-label", `Prepare again ${name}`);
  }

  async #ask(meanwhile, changed) {
    const question = `Stop preparing ${this.#name}? Asked for again, it goes on with what is finished.`;
    if (!(await confirmed(question, "Stop it"))) return;
    await meanwhile(async () => {
      await send("POST", `datasets/${this.#name}/stop`);
      await changed();
    });
  }
}

class DatasetRow {
  #summary;

  constructor({ name }, actions) {
    const link = element("a", { href: `#/datasets/${name}` }, name);
    this.#summary = new DatasetSummary(element("h2", {}, link), actions);
    this.element = element("li", { class: "card" }, this.#summary.line, ...this.#summary.rest);
  }

  update(dataset) {
    this.#summary.update(dataset);
  }
}

function contents({ classes, splits, image_size: size, quarantined }) {
  const counts = Object.entries(splits).map(([split, { num_samples }]) => `${count(num_samples)} ${split}`);
  const facts = [`${count(classes.length)} classes`, ...counts, `${size} × ${size} pixels`];
  if (quarantined) facts.push(`${count(quarantined)} quarantined`);
  return facts.join(" · ");
}

function pace({
  photos_done: done,
  photos_total: total,
  photos_per_second: speed,
  eta_seconds: left,
  quarantined,
}) {
  if (!Number.isFinite(total)) return "";
  const facts = [
    `${count(done)} of ${count(total)} photos`,
    `${count(speed)} a second`,
    `${duration(left)} left`,
  ];
  if (quarantined) facts.push(`${count(quarantined)} quarantined`);
  return facts.join(" · ");
}
