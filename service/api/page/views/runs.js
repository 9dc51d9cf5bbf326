// The runs, newest first: how each is and how far.

import { read } from "../data/api.js";
import { element, Facts, write } from "../parts/element.js";
import { count, decimal, duration, isOver, percent } from "../parts/figures.js";
import { Rows } from "../parts/rows.js";
import { RunActions } from "../parts/run_actions.js";
import { nameOf } from "../parts/run_name.js";
import { State } from "../parts/state.js";

const PAGE = 30;
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
  #shown = PAGE;
  #filter;
  #more;
  #rows;

  constructor({ say }) {
    const options = Object.entries(FILTERS).map(([value, text]) => element("option", { value }, text));
    this.#filter = element(
      "select",
      { onchange: () => this.refresh().catch((error) => say(error.message)) },
      ...options,
    );
    this.#more = element(
      "button",
      { type: "button", hidden: true, onclick: () => this.#showMore(say) },
      "Show older runs",
    );
    const make = (run) => new RunRow(run, { say, changed: () => this.refresh() });
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
        element("a", { class: "button main", href: "#/start" }, "Start a run"),
      ),
      this.#rows.element,
      this.#more,
    );
  }

  async refresh() {
    const { items, next_cursor: next } = await read(`runs?limit=${this.#shown}${this.#states}`);
    this.#rows.show(items.map((run) => [run.id, run]));
    this.#more.hidden = next === null || this.#shown === 200;
  }

  get #states() {
    const chosen = this.#filter.value;
    const states = chosen === "active" ? ACTIVE : chosen ? [chosen] : [];
    return states.map((state) => `&state=${state}`).join("");
  }

  #showMore(say) {
    this.#shown = Math.min(200, this.#shown + PAGE);
    this.refresh().catch((error) => say(error.message));
  }
}

class RunRow {
  #state = new State();
  #about = element("p", { class: "quiet" });
  #reason = element("p", { class: "reason", hidden: true });
  #bar = element("progress", { max: "1", value: "0", "aria-label": "Steps done" });
  #facts = new Facts(["Step", "Images/s", "Time left", "Loss", "Best top-1 error"]);
  #link;
  #actions;

  constructor(run, { say, changed }) {
    this.#link = element("a", { href: `#/runs/${run.id}` });
    this.#actions = new RunActions({ say, changed });
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
      "Images/s": count(progress.images_per_second),
      "Time left": isOver(state) ? count(null) : duration(progress.eta_seconds),
      Loss: decimal(progress.loss),
      "Best top-1 error": percent(progress.best_val_top1_error ?? progress.val_top1_error),
    });
  }
}
