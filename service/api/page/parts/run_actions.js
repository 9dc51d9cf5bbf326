// What can be done to a run: stop, resume, publish, start another like it, delete.

import { read, send } from "../data/api.js";
import { canGoOn, isOver } from "../data/job_state.js";
import { actionButton } from "./action.js";
import { confirmed, asked } from "./dialog.js";
import { element } from "./element.js";
import { tell } from "./notice.js";
import { nameOf } from "../data/run_name.js";

// Serving processes load the new version, and try it, before it is there: one after the other, on a CPU that may
// be training meanwhile.
const PUBLISHING_PATIENCE_MILLISECONDS = 600_000;

export class RunActions {
  #run = null;
  #buttons;
  #changed;

  /** `changed` is called when something was done; `say` with what went wrong, until `signal` says to end. */
  constructor({ changed, say, signal }) {
    const button = (text, act) =>
      actionButton(text, act, (trouble) => say(trouble && `${nameOf(this.#run)}: ${trouble}`));
    this.#buttons = {
      stop: button("Stop", (meanwhile) => this.#stop(meanwhile)),
      now: button("Stop now", (meanwhile) => this.#stopNow(meanwhile)),
      resume: button("Resume", (meanwhile) => meanwhile(() => this.#send("resume"))),
      publish: button("Publish", () => publish(this.#run, "", signal)),
    };
    this.#changed = changed;
    this.element = element("span", { class: "group" }, ...Object.values(this.#buttons));
  }

  update(run) {
    this.#run = run;
    const over = isOver(run.state);
    const shown = {
      stop: !over && run.state !== "stopping",
      now: run.state === "stopping",
      resume: canGoOn(run.state),
      publish: run.checkpoints.length > 0,
    };
    for (const [name, button] of Object.entries(this.#buttons)) {
      button.hidden = !shown[name];
      button.setAttribute("aria-label", `${button.textContent} ${nameOf(run)}`);
    }
  }

  async #stop(meanwhile) {
    const question = `Stop ${nameOf(this.#run)}? It finishes its step and writes a last checkpoint.`;
    if (await confirmed(question, "Stop it")) await meanwhile(() => this.#send("stop", { mode: "graceful" }));
  }

  async #stopNow(meanwhile) {
    const question = `End ${nameOf(this.#run)} at once? What it did since its last checkpoint is lost.`;
    if (await confirmed(question, "End it")) await meanwhile(() => this.#send("stop", { mode: "now" }));
  }

  async #send(verb, body) {
    const { id } = this.#run;
    await send("POST", `runs/${id}/${verb}`, body);
    await this.#changed(id);
  }
}

/** Asks under which name a checkpoint of a run is published; by default the newest one. */
export async function publish(run, checkpoint, signal) {
  const { items: models } = await read("models");
  if (signal.aborted) return;
  const known = models.map(({ name }) => name).join(", ");
  const checkpoints = Object.fromEntries(run.checkpoints.toReversed().map(({ name }) => [name, name]));
  const fields = [
    { path: "model", label: "Model", kind: "text", required: true, hint: known && `There are: ${known}` },
    {
      path: "checkpoint",
      label: "Checkpoint",
      kind: "choice",
      choices: { "": "the newest", ...checkpoints },
    },
    {
      path: "alias",
      label: "Alias",
      kind: "text",
      hint: "Whoever asks for the model by this name gets the new version",
    },
  ];
  const body = { model: run.spec.publish?.model ?? run.spec.dataset, checkpoint, alias: "production" };
  const published = await asked(
    `Publish ${nameOf(run)}`,
    [{ legend: "Version", fields }],
    "Publish",
    ({ model, alias, ...rest }) =>
      send(
        "POST",
        `models/${encodeURIComponent(model)}/versions`,
        { run_id: run.id, alias: alias ?? null, ...rest },
        { patience: PUBLISHING_PATIENCE_MILLISECONDS },
      ),
    body,
  );
  if (!published || signal.aborted) return;
  const link = element("a", { href: "#/classify" }, "ask it about photos");
  tell(`${published.name}, version ${published.version} is published: `, link);
}
