// The published models: where each version comes from, how well it did, and what it is asked for as.

import { read, Refusal } from "../data/api.js";
import { isOver } from "../data/job_state.js";
import { actionButton } from "../parts/action.js";
import { element, write } from "../parts/element.js";
import { count } from "../parts/figures.js";
import { pathOf, VersionRow } from "../parts/model_version.js";
import { Rows } from "../parts/rows.js";

// Of each model, beside those that an alias names.
const NEWEST_VERSIONS = 10;
// Where no index is being built, whatever changes was changed by someone else.
const PAUSE_AT_REST_MILLISECONDS = 10_000;

export class ModelsView {
  title = "Models";
  /** The page's own pause where it is undefined. */
  pause = undefined;
  #models = [];
  #limits = new Map();
  #runs = new Map();
  #indexes = new Map();
  #reading = 0;
  #rows;

  constructor() {
    const actions = {
      changed: () => this.refresh(),
      indexed: (version, index) => this.#keep(version, index),
      more: ({ name }) => this.#showMore(name),
    };
    this.#rows = new Rows(
      element("ul", { class: "cards" }),
      (model) => new ModelRow(model, actions),
      "No models yet. Publish a run's checkpoint on the run's page, or: tandem publish RUN --model NAME",
    );
    this.element = element(
      "section",
      {},
      element("h1", { tabindex: "-1" }, "Models"),
      element(
        "p",
        { class: "quiet" },
        "Where no version is named, the one that production means answers, or else the newest. " +
          "To go back to an older version, move the alias to it.",
      ),
      this.#rows.element,
    );
  }

  async refresh() {
    const reading = ++this.#reading;
    const { items } = await read("models");
    // What was read before something was done is not shown after it.
    if (reading !== this.#reading) return;
    this.#models = items;
    const shown = this.#show();
    const answers = [...this.#askForRuns(shown), ...this.#askForIndexes(shown)];
    await Promise.all(answers).finally(() => this.#show());
    const busy = shown.some((version) => isUnderWay(this.#indexes.get(pathOf(version))));
    this.pause = busy ? undefined : PAUSE_AT_REST_MILLISECONDS;
  }

  /** Shows what is known by now, and gives the versions that are shown. */
  #show() {
    const models = this.#models.map((model) => this.#inPart(model));
    this.#rows.show(models.map((model) => [model.name, model]));
    return models.flatMap(({ versions }) => versions);
  }

  /** A model with those of its versions that are shown, newest first, and all that is known of each. */
  #inPart({ name, versions, aliases }) {
    const limit = this.#limits.get(name) ?? NEWEST_VERSIONS;
    const told = versions.toReversed().map((version) => ({
      ...version,
      aliases: Object.keys(aliases).filter((alias) => aliases[alias] === version.version),
      run: this.#runs.get(version.run_id),
      index: this.#indexes.get(pathOf(version))?.index,
    }));
    const shown = told.filter((version, place) => place < limit || version.aliases.length);
    return { name, versions: shown, left: told.length - shown.length };
  }

  async #showMore(name) {
    this.#limits.set(name, (this.#limits.get(name) ?? NEWEST_VERSIONS) + NEWEST_VERSIONS);
    await this.refresh();
  }

  /** Runs keep their names: each is asked for once. */
  #askForRuns(versions) {
    const unknown = new Set(versions.map(({ run_id: id }) => id).filter((id) => !this.#runs.has(id)));
    return [...unknown].map(async (id) => this.#runs.set(id, await found(`runs/${encodeURIComponent(id)}`)));
  }

  #askForIndexes(versions) {
    const due = versions.filter((version) => isDue(this.#indexes.get(pathOf(version))));
    return due.map(async (version) => {
      const before = this.#indexes.get(pathOf(version));
      const index = await found(`${pathOf(version)}/index`);
      // One that was begun meanwhile is newer than this answer.
      if (this.#indexes.get(pathOf(version)) === before) this.#keep(version, index);
    });
  }

  #keep(version, index) {
    this.#indexes.set(pathOf(version), { index, at: Date.now() });
  }
}

class ModelRow {
  #versions;
  #more;
  #model;

  constructor({ name }, actions) {
    const trouble = element("p", { class: "reason", role: "alert", hidden: true });
    this.#versions = new Rows(
      element("ul", { class: "cards" }),
      (version) => new VersionRow(version, actions),
    );
    this.#more = actionButton(
      "Show older versions",
      (meanwhile) => meanwhile(() => actions.more(this.#model)),
      (text) => write(trouble, text),
      { hidden: true },
    );
    this.element = element(
      "li",
      {},
      element("h2", {}, name),
      this.#versions.element,
      element("div", { class: "line end" }, this.#more),
      trouble,
    );
  }

  update(model) {
    this.#model = model;
    this.#versions.show(model.versions.map((version) => [version.version, version]));
    this.#more.hidden = model.left === 0;
    this.#more.textContent = `Show older versions of ${model.name} (${count(model.left)} left)`;
  }
}

/** What lies at a path of the API, or null where nothing does. */
async function found(path) {
  try {
    return await read(path);
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) return null;
    throw error;
  }
}

const isUnderWay = (told) => Boolean(told?.index) && !isOver(told.index.state);
const isDue = (told) => !told || isUnderWay(told) || Date.now() - told.at >= PAUSE_AT_REST_MILLISECONDS;
