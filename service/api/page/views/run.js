// One run: its curves as they grow, what befell it, its checkpoints and its log.

import { RunCharts } from "../charts/run_charts.js";
import { onThemeChange } from "../charts/theme.js";
import { read, send } from "../data/api.js";
import { RunHistory } from "../data/run_history.js";
import { confirmed } from "../parts/dialog.js";
import { element, Facts, write } from "../parts/element.js";
import { bytes, count, decimal, duration, isOver, moment, percent } from "../parts/figures.js";
import { Log } from "../parts/log.js";
import { nameOf, publish, RunActions } from "../parts/run_actions.js";
import { State } from "../parts/state.js";
import { Table } from "../parts/table.js";

const OTHER_RUNS = 100;

export class RunView {
  title = "Run";
  #run = null;
  #other = null;
  #charts = new RunCharts();
  #state = new State();
  #heading = element("h1", { tabindex: "-1" });
  #about = element("p", { class: "quiet" });
  #reason = element("p", { class: "reason", hidden: true });
  #bar = element("progress", { max: "1", value: "0", "aria-label": "Steps done" });
  #facts = new Facts([
    "Step",
    "Epoch",
    "Images/s",
    "Time left",
    "Loss",
    "Top-1 error",
    "Top-5 error",
    "Best top-1 error",
  ]);
  #compare = element("select");
  #attempts = new Table(
    "Attempts",
    ["#Attempt", "Began", "Ended", "Outcome", "Why"],
    "It has not begun yet.",
  );
  #marks = new Table("What befell it", ["When", "What"], "Nothing but what was meant to.");
  #checkpoints = new Table("Checkpoints", ["Checkpoint", "#Step", "#Size", ""], "None yet.");
  #resolved = element("pre", { tabindex: "0", role: "region", "aria-label": "The run made complete" });
  #log = new Log();
  #history;
  #say;
  #signal;
  #actions;
  #delete;
  #ready;
  #frame = 0;

  constructor({ id, query, say, signal }) {
    this.#history = new RunHistory(id);
    this.#say = say;
    this.#signal = signal;
    this.#actions = new RunActions({ say, changed: () => this.refresh() });
    this.#delete = element(
      "button",
      { type: "button", hidden: true, onclick: () => this.#remove() },
      "Delete",
    );
    this.#compare.addEventListener("change", () => this.#compareWith(this.#compare.value));
    this.element = this.#layout(id);
    onThemeChange(() => this.#draw(), signal);
    signal.addEventListener("abort", () => this.#charts.close());
    this.#ready = Promise.all([this.#readLog(), this.#offerOthers(query.get("with"))]);
    this.#ready.catch((error) => say(error.message));
  }

  async refresh() {
    const run = await read(`runs/${this.#history.id}`);
    const first = this.#run === null;
    this.#run = run;
    this.title = nameOf(run);
    this.#fill(run);
    const others = isOver(run.state) && !first ? [] : [this.#history];
    if (this.#other && !this.#other.whole) others.push(this.#other.history);
    const grown = await Promise.all(others.map((history) => history.catchUp()));
    if (this.#other) this.#other.whole = isOver(this.#other.state);
    if (first || !isOver(run.state)) this.#listen(this.#history);
    if (first || grown.includes(true)) await this.#draw();
  }

  #layout(id) {
    const section = (heading, ...children) => element("section", {}, element("h2", {}, heading), ...children);
    return element(
      "div",
      {},
      element(
        "div",
        { class: "line" },
        this.#heading,
        this.#state.element,
        this.#actions.element,
        this.#delete,
      ),
      this.#about,
      this.#reason,
      this.#bar,
      this.#facts.element,
      element(
        "div",
        { class: "controls" },
        element("label", {}, "Beside it ", this.#compare),
        element("a", { href: `#/filters/${id}` }, "Its filters"),
        element("a", { href: `#/start?like=${id}` }, "Start another like it"),
      ),
      this.#charts.element,
      section("Attempts", this.#attempts.element),
      section("What befell it", this.#marks.element),
      section("Checkpoints", this.#checkpoints.element),
      section("Log", this.#log.element),
      element(
        "details",
        { ontoggle: (told) => told.target.open && this.#showResolved() },
        element("summary", {}, "The run made complete"),
        this.#resolved,
      ),
    );
  }

  #fill(run) {
    const { id, state, reason, failure, spec, progress } = run;
    const { step, total_steps: total } = progress;
    const about = [
      id,
      spec.dataset,
      spec.model?.preset,
      spec.recipe?.preset,
      `begun ${moment(run.created_at)}`,
    ];
    write(this.#heading, nameOf(run));
    write(this.#about, about.filter(Boolean).join(" · "));
    write(this.#reason, [reason, failure?.hint].filter(Boolean).join(" "));
    this.#state.show(state);
    this.#actions.update(run);
    this.#delete.hidden = !isOver(state);
    this.#bar.value = total ? step / total : 0;
    this.#facts.show({
      Step: total ? `${count(step)} / ${count(total)}` : count(step),
      Epoch: count(progress.epoch),
      "Images/s": count(progress.images_per_second),
      "Time left": isOver(state) ? count(null) : duration(progress.eta_seconds),
      Loss: decimal(progress.loss),
      "Top-1 error": percent(progress.val_top1_error),
      "Top-5 error": percent(progress.val_top5_error),
      "Best top-1 error": percent(progress.best_val_top1_error ?? progress.val_top1_error),
    });
    this.#attempts.show(
      run.attempts.map((attempt) => [
        String(attempt.number),
        moment(attempt.started_at),
        moment(attempt.finished_at),
        attempt.outcome,
        attempt.reason,
      ]),
    );
    this.#checkpoints.show(
      run.checkpoints.toReversed().map((checkpoint) => this.#checkpoint(run, checkpoint)),
    );
  }

  #checkpoint(run, { name, step, size_bytes: size }) {
    const act = () => publish(run, name).catch((error) => this.#say(error.message));
    const button = element(
      "button",
      { type: "button", "aria-label": `Publish ${name}`, onclick: act },
      "Publish",
    );
    return [name, count(step), bytes(size), button];
  }

  async #draw() {
    if (!this.#run) return;
    const marks = marksOf(this.#run, this.#history);
    const runs = [{ name: nameOf(this.#run), history: this.#history, marks }];
    if (this.#other) runs.push({ ...this.#other, marks: [] });
    this.#marks.show(marks.map(({ at, text }) => [moment(at), text]));
    await this.#charts.draw(runs).catch((error) => this.#say(error.message));
  }

  /** Comes back when the run is over, or the connection broke: `refresh` then calls it again. */
  #listen(history) {
    const changed = (kind) => (kind === "log" ? this.#log.show(history.log) : this.#redrawSoon());
    history.listen(this.#signal, changed).catch(() => {});
  }

  #redrawSoon() {
    // A history comes as hundreds of events at once.
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  async #readLog() {
    const { lines } = await read(`runs/${this.#history.id}/logs?tail=300`);
    this.#history.log = [...lines, ...this.#history.log];
    this.#log.show(this.#history.log);
  }

  async #offerOthers(chosen) {
    const { items } = await read(`runs?limit=${OTHER_RUNS}`);
    const others = items.filter(({ id }) => id !== this.#history.id);
    const none = element("option", { value: "" }, "no other run");
    this.#compare.replaceChildren(
      none,
      ...others.map((run) => element("option", { value: run.id }, nameOf(run))),
    );
    if (others.some(({ id }) => id === chosen)) await this.#compareWith((this.#compare.value = chosen));
  }

  async #compareWith(id) {
    history.replaceState(null, "", `#/runs/${this.#history.id}${id ? `?with=${id}` : ""}`);
    this.#other = null;
    if (id) {
      const run = await read(`runs/${id}`);
      this.#other = { name: nameOf(run), history: new RunHistory(id), state: run.state, whole: false };
      await this.#other.history.catchUp();
      this.#listen(this.#other.history);
    }
    await this.#draw();
  }

  async #showResolved() {
    const resolved = await read(`runs/${this.#history.id}/resolved`).catch((error) => ({
      error: error.message,
    }));
    this.#resolved.textContent = JSON.stringify(resolved, null, 2);
  }

  async #remove() {
    const name = nameOf(this.#run);
    if (
      !(await confirmed(
        `Delete ${name}, its checkpoints and its history? Published models stay.`,
        "Delete it",
      ))
    )
      return;
    try {
      await send("DELETE", `runs/${this.#history.id}`);
      location.hash = "#/runs";
    } catch (error) {
      this.#say(error.message);
    }
  }
}

/** What befell a run, and the attempts after its first, in the order of time. */
function marksOf({ attempts }, history) {
  const began = attempts
    .slice(1)
    .map(({ number, started_at: at }) => ({ at, kind: "attempt", text: `attempt ${number} began` }));
  return [...history.marks, ...began].sort((one, other) => one.at.localeCompare(other.at));
}
