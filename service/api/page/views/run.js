// One run: its curves as they grow, those of others beside them, what befell it, its checkpoints and its log.

import { RunCharts } from "../charts/run_charts.js";
import { onThemeChange } from "../charts/theme.js";
import { read, send } from "../data/api.js";
import { FollowedRun } from "../data/followed_run.js";
import { isOver, isTraining } from "../data/job_state.js";
import { nameOf } from "../data/run_name.js";
import { actionButton } from "../parts/action.js";
import { confirmed } from "../parts/dialog.js";
import { element, Facts, write } from "../parts/element.js";
import { bytes, count, decimal, duration, moment, percent } from "../parts/figures.js";
import { Log } from "../parts/log.js";
import { publish, RunActions } from "../parts/run_actions.js";
import { State } from "../parts/state.js";
import { Table } from "../parts/table.js";

const LOG_LINES = 500;
// What comes in the address goes out in others.
const RUN_ID = /^[\w-]+$/;

export class RunView {
  #charts = new RunCharts();
  #state = new State();
  #heading = element("h1", { tabindex: "-1" }, "Run");
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
  #choice = element("div", { class: "beside" });
  #files = element("span");
  #differences = element("div");
  #attempts = new Table(
    "Attempts",
    ["#Attempt", "Began", "Ended", "Outcome", "Why"],
    "It has not begun yet.",
  );
  #marks = new Table("What befell it", ["When", "What"], "Nothing but what was meant to.");
  #checkpoints = new Table("Checkpoints", ["Checkpoint", "#Step", "#Size", ""], "None yet.");
  #resolved = element("pre", { tabindex: "0", role: "region", "aria-label": "The run made complete" });
  #log = new Log();
  #id;
  #followed;
  #beside;
  #comparison = null;
  #hasFailed = false;
  #say;
  #signal;
  #actions;
  #delete;
  #toDraw = true;
  #frame = 0;

  constructor({ id, query, say, signal }) {
    this.#id = id;
    this.#say = say;
    this.#signal = signal;
    this.#followed = new FollowedRun(id, () => this.#drawSoon());
    this.#actions = new RunActions({ say, signal, changed: () => this.refresh() });
    this.#delete = actionButton("Delete", (meanwhile) => this.#remove(meanwhile), say, { hidden: true });
    this.#beside = query.getAll("with").filter((other) => RUN_ID.test(other) && other !== id);
    this.element = this.#layout(id);
    onThemeChange(() => this.#drawSoon(), signal);
    signal.addEventListener("abort", () => this.#close());
  }

  get title() {
    const { step, total_steps: total } = this.#followed.run?.progress ?? {};
    const name = this.#followed.run ? this.#followed.name : "Run";
    return total && !isOver(this.#followed.run.state) ? `${percent(step / total)} · ${name}` : name;
  }

  async refresh() {
    const trouble = await this.#followed.refresh().then(
      () => null,
      (error) => error,
    );
    if (this.#signal.aborted) return;
    if (this.#followed.run) this.#fill(this.#followed.run);
    if (this.#toDraw) await this.#draw();
    if (this.#followed.history.logHasGrown) await this.#readLog();
    if (trouble) throw trouble;
    if (this.#followed.history.isRead) await this.#compare();
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
        element("a", { href: `#/filters/${id}` }, "Its filters"),
        element("a", { href: `#/start?like=${id}` }, "Start another like it"),
        this.#files,
      ),
      this.#choice,
      this.#charts.element,
      this.#differences,
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
    const goesOn = isTraining(state);
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
      "Images/s": count(goesOn || isOver(state) ? progress.images_per_second : null),
      "Time left": duration(goesOn ? progress.eta_seconds : null),
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
    this.#checkpoints.show(run.checkpoints.toReversed().map((checkpoint) => this.#checkpoint(checkpoint)));
  }

  #checkpoint({ name, step, size_bytes: size }) {
    const act = () => publish(this.#followed.run, name, this.#signal);
    const button = actionButton("Publish", act, this.#say, { "aria-label": `Publish ${name}` });
    return [name, count(step), bytes(size), button];
  }

  #drawSoon() {
    this.#toDraw = true;
    // A history comes as hundreds of events at once.
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw().catch((error) => this.#say(error.message)));
  }

  async #draw() {
    // Not what befell a run by itself: to draw takes as long as for all of it.
    if (!this.#followed.history.isRead || this.#signal.aborted) return;
    this.#toDraw = false;
    try {
      this.#marks.show(this.#followed.marks.map(({ at, text }) => [moment(at), text]));
      await this.#charts.draw(this.#comparison?.runs ?? [this.#followed]);
    } catch (error) {
      this.#toDraw = true;
      throw error;
    }
  }

  async #readLog() {
    const { history } = this.#followed;
    history.logHasGrown = false;
    try {
      const { lines } = await read(`runs/${this.#id}/logs?tail=${LOG_LINES}`);
      history.logHasGrown ||= !this.#log.show(lines);
    } catch (error) {
      history.logHasGrown = true;
      throw error;
    }
  }

  /** Lays others beside it, with all that is for this brought in by now: the run itself is drawn before. */
  async #compare() {
    if (!this.#comparison) {
      const { Comparison } = await this.#load();
      if (this.#signal.aborted) return;
      if (!this.#comparison)
        this.#lay(new Comparison(this.#followed, this.#beside, (ids) => this.#drawWith(ids)));
    }
    await this.#comparison.refresh();
  }

  async #load() {
    try {
      // One that did not come is asked for again by an address that has not failed.
      return await import(`../parts/comparison.js${this.#hasFailed ? `?again=${Date.now()}` : ""}`);
    } catch (error) {
      this.#hasFailed = true;
      console.warn(error);
      throw new Error("A part of this page could not be loaded");
    }
  }

  #lay(comparison) {
    this.#comparison = comparison;
    this.#choice.append(comparison.choice);
    this.#files.append(comparison.files);
    this.#differences.append(comparison.differences);
  }

  #drawWith(others) {
    const query = new URLSearchParams(others.map((id) => ["with", id])).toString();
    history.replaceState(null, "", `#/runs/${this.#id}${query && `?${query}`}`);
    this.#drawSoon();
  }

  async #showResolved() {
    const resolved = await read(`runs/${this.#id}/resolved`).catch((error) => ({
      error: error.message,
    }));
    this.#resolved.textContent = JSON.stringify(resolved, null, 2);
  }

  async #remove(meanwhile) {
    const question = `Delete ${this.#followed.name}, its checkpoints and its history? Published models stay.`;
    if (!(await confirmed(question, "Delete it"))) return;
    await meanwhile(() => send("DELETE", `runs/${this.#id}`));
    if (!this.#signal.aborted) location.hash = "#/runs";
  }

  #close() {
    cancelAnimationFrame(this.#frame);
    this.#followed.close();
    this.#comparison?.close();
    this.#charts.close();
  }
}
