// The runs, newest first: how each is and how far.

import { read } from "../data/api.js";
import { isOver, isTraining } from "../data/job_state.js";
import { actionButton } from "../parts/action.js";
import { element, Facts, write } from "../parts/element.js";
import { count, decimal, duration, percent } from "../parts/figures.js";
import { Rows } from "../parts/rows.js";
import { RunActions } from "../parts/run_actions.js";
import { nameOf } from "../data/run_name.js";
import { State } from "../parts/state.js";

const PAGE = 30;
// What the API gives at once.
const MOST = 200;
const FILTERS = {
  "": "all",
  active: "at work or waiting",
  succeeded: "succeeded",
  stopped: "stopped",
  failed: "failed",
  interrupted: "interrupted",
};
const ACTIVE = ["queued", "starting", "running", "recovering", "stopping"];

export class RunsView {
  title = "Runs";
  #newest = [];
  #older = [];
  #cursor = null;
  #listed = null;
  #filter;
  #name;
  #more;
  #rows;

  constructor({ say, signal }) {
    const options = Object.entries(FILTERS).map(([value, text]) => element("option", { value }, text));
    this.#filter = element(
      "select",
      { onchange: () => this.refresh().catch((error) => say(error.message)) },
      ...options,
    );
    this.#name = element("input", { type: "search", autocomplete: "off", oninput: () => this.#show() });
    this.#more = actionButton("Show older runs", (meanwhile) => meanwhile(() => this.#showOlder()), say, {
      hidden: true,
    });
    const make = (run) => new RunRow(run, { say, signal, changed: (id) => this.#changed(id) });
    this.#rows = new Rows(
      element("ul", { class: "cards" }),
      make,
      "No runs here. Start one, or: tandem train --dataset NAME",
    );
    this.element = element(
      "section",
      {},
      element(
        "div",
        { class: "line" },
        element("h1", { tabindex: "-1" }, "Runs"),
        element("label", {}, "Show ", this.#filter),
        element("label", {}, "Named ", this.#name),
        element("a", { class: "button main", href: "#/start" }, "Start a run"),
      ),
      this.#rows.element,
      this.#more,
    );
  }

  /** Reads again what is shown, as far as the API gives it at once; what is older stays as it was. */
  async refresh() {
    const states = this.#states;
    const shown = states === this.#listed ? this.#newest.length + this.#older.length : 0;
    const limit = Math.min(MOST, Math.max(PAGE, shown));
    const { items, next_cursor: next } = await read(`runs?limit=${limit}${states}`);
    if (states !== this.#states) return;
    this.#keepOlder(states, items);
    this.#newest = items;
    this.#listed = states;
    if (!this.#older.length) this.#cursor = next;
    this.#show();
  }

  /** What new runs have pushed off the newest page joins the older ones, if any are shown. */
  #keepOlder(states, items) {
    const last = items.at(-1);
    const joined = items.some(({ id }) => this.#newest.some((run) => run.id === id));
    if (states !== this.#listed || !joined) this.#older = [];
    if (!this.#older.length) return;
    const pushed = this.#newest.filter((run) => isOlder(run, last));
    this.#older = [...pushed, ...this.#older.filter((run) => isOlder(run, last))];
  }

  #show() {
    const name = this.#name.value.trim().toLowerCase();
    const runs = [...this.#newest, ...this.#older].filter((run) => nameOf(run).toLowerCase().includes(name));
    this.#rows.show(
      runs.map((run) => [run.id, run]),
      name ? "None of the runs that are shown has such a name." : undefined,
    );
    this.#more.hidden = this.#cursor === null;
  }

  get #states() {
    const chosen = this.#filter.value;
    const states = chosen === "active" ? ACTIVE : chosen ? [chosen] : [];
    return states.map((state) => `&state=${state}`).join("");
  }

  async #showOlder() {
    const states = this.#states;
    const before = this.#older.length ? [] : this.#newest;
    const path = `runs?limit=${PAGE}${states}&cursor=${encodeURIComponent(this.#cursor)}`;
    const { items, next_cursor: next } = await read(path);
    if (states !== this.#states) return;
    // A refresh meanwhile may have pushed some off the newest page while there were no older ones to join.
    const pushed = before.filter((run) => isOlder(run, this.#newest.at(-1)));
    this.#older = [...pushed, ...this.#older, ...items];
    this.#cursor = next;
    this.#show();
  }

  async #changed(id) {
    const place = this.#older.findIndex((run) => run.id === id);
    if (place >= 0) this.#older[place] = await read(`runs/${id}`);
    await this.refresh();
  }
}

/** Whether one run comes after another in the list of all. */
const isOlder = (run, other) =>
  run.created_at < other.created_at || (run.created_at === other.created_at && run.id < other.id);

class RunRow {
  #state = new State();
  #about = element("p", { class: "quiet" });
  #reason = element("p", { class: "reason", hidden: true });
  #bar = element("progress", { max: "1", value: "0", "aria-label": "Steps done" });
  #facts = new Facts(["Step", "Images/s", "Time left", "Loss", "Best top-1 error"]);
  #link;
  #actions;

  constructor(run, actions) {
    this.#link = element("a", { href: `#/runs/${run.id}` });
    this.#actions = new RunActions(actions);
    this.element = element(
      "li",
      { class: "card" },
      element(
        "div",
        { class: "line" },
        element("h2", {}, this.#link),
        this.#state.element,
        this.#actions.element,
      ),
      this.#about,
      this.#reason,
      this.#bar,
      this.#facts.element,
    );
  }

  update(run) {
    const { id, name, state, reason, spec, progress, queue_position: place } = run;
    const { step, total_steps: total } = progress;
    const goesOn = isTraining(state);
    const about = [
      name && id.slice(0, 8),
      spec.dataset,
      spec.model?.preset,
      spec.recipe?.preset,
      place && `number ${place} in the queue`,
    ];
    write(this.#link, nameOf(run));
    write(this.#about, about.filter(Boolean).join(" · "));
    write(this.#reason, reason);
    this.#state.show(state);
    this.#actions.update(run);
    this.#bar.value = total ? step / total : 0;
    this.#facts.show({
      Step: total ? `${count(step)} / ${count(total)}` : count(step),
      "Images/s": count(goesOn || isOver(state) ? progress.images_per_second : null),
      "Time left": duration(goesOn ? progress.eta_seconds : null),
      Loss: decimal(progress.loss),
      "Best top-1 error": percent(progress.best_val_top1_error ?? progress.val_top1_error),
    });
  }
}
