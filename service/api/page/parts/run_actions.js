// What can be done to a run: stop, resume, publish, start another like it, delete.

import { read, send } from "../data/api.js";
import { confirmed, asked } from "./dialog.js";
import { element } from "./element.js";
import { canGoOn, isOver } from "./figures.js";
import { nameOf } from "./run_name.js";

export class RunActions {
  #run = null;
  #buttons;
  #changed;
  #say;

  /** `changed` is called when something was done; `say` with what went wrong. */
  constructor({ changed, say }) {
    this.#buttons = {
      stop: this.#button("Stop", () => this.#stop()),
      now: this.#button("Stop now", () => this.#stopNow()),
      resume: this.#button("Resume", () => send("POST", `runs/${this.#run.id}/resume`)),
      publish: this.#button("Publish", () => publish(this.#run)),
    };
    this.#changed = changed;
    this.#say = say;
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

  async #stop() {
    const question = `Stop ${nameOf(this.#run)}? It finishes its step and writes a last checkpoint.`;
    if (await confirmed(question, "Stop it"))
      await send("POST", `runs/${this.#run.id}/stop`, { mode: "graceful" });
  }

  async #stopNow() {
    const question = `End ${nameOf(this.#run)} at once? What it did since its last checkpoint is lost.`;
    if (await confirmed(question, "End it")) await send("POST", `runs/${this.#run.id}/stop`, { mode: "now" });
  }

  #button(text, act) {
    const button = element("button", { type: "button" }, text);
    button.addEventListener("click", async () => {
      button.disabled = true;
      this.#say("");
      try {
        await act();
        await this.#changed();
      } catch (error) {
        this.#say(`${nameOf(this.#run)}: ${error.message}`);
      } finally {
        button.disabled = false;
      }
    });
    return button;
  }
}

/** Asks under which name a checkpoint of a run is published; by default the newest one. */
export async function publish(run, checkpoint = "") {
  const { items: models } = await read("models");
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
  await asked(
    `Publish ${nameOf(run)}`,
    [{ legend: "Version", fields }],
    "Publish",
    ({ model, alias, ...rest }) =>
      send("POST", `models/${encodeURIComponent(model)}/versions`, {
        run_id: run.id,
        alias: alias ?? null,
        ...rest,
      }),
    body,
  );
}
