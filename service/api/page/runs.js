// The list of runs, newest first, and the one that is open in it.

import { read, send } from "./api.js";
import { Following } from "./follow.js";
import { count, decimal, duration, isOver, percent } from "./figures.js";
import { Rows, write } from "./rows.js";

const SHOWN_RUNS = 50;

export class Runs {
  #following = null;
  #list = document.getElementById("runs");
  #rows = new Rows(this.#list, "runs-row", (row, run) => this.#prepare(row, run));

  async refresh() {
    const { items } = await read(`runs?limit=${SHOWN_RUNS}`);
    this.#rows.show(items.map((run) => [run.id, run]), (row, run) => this.#fill(row, run));
    if (!items.some((run) => run.id === this.#following?.id)) this.#close();
  }

  #prepare(row, run) {
    const stop = row.querySelector(".stop");
    row.querySelector(".open").addEventListener("click", () => this.#toggle(row, run.id));
    stop.setAttribute("aria-label", `Stop ${nameOf(run)}`);
    stop.addEventListener("click", async () => {
      if (!confirm(`Stop ${nameOf(run)}? It finishes its step and writes a last checkpoint.`)) return;
      stop.disabled = true;
      try {
        await send(`runs/${run.id}/stop`, { mode: "graceful" });
      } catch (error) {
        alert(`${nameOf(run)} was not asked to stop: ${error.message}`);
        stop.disabled = false;
      }
    });
  }

  #fill(row, { id, name, state, reason, spec, progress }) {
    const about = [name && id.slice(0, 8), spec.dataset, spec.model?.preset, spec.recipe?.preset];
    const { step, total_steps: total } = progress;
    write(row, {
      name: nameOf({ id, name }),
      state,
      reason,
      about: about.filter(Boolean).join(" · "),
      step: total ? `${count(step)} / ${count(total)}` : count(step),
      pace: count(progress.images_per_second),
      left: isOver(state) ? count(null) : duration(progress.eta_seconds),
      loss: decimal(progress.loss),
      error: percent(progress.val_top1_error),
    });
    row.dataset.state = state;
    row.querySelector("progress").value = total ? step / total : 0;
    const stop = row.querySelector(".stop");
    [stop.hidden, stop.disabled] = [isOver(state), state === "stopping"];
    if (this.#following?.id === id && !isOver(state)) this.#following.listen();
  }

  #toggle(row, id) {
    const wasOpen = this.#following?.id === id;
    this.#close();
    if (wasOpen) return;
    this.#following = new Following(id, row);
    show(row, true);
  }

  #close() {
    if (!this.#following) return;
    this.#following.close();
    show(this.#following.row, false);
    this.#following = null;
  }
}

const nameOf = ({ id, name }) => name ?? id.slice(0, 8);

function show(row, open) {
  row.querySelector(".open").setAttribute("aria-expanded", open);
  row.querySelector(".detail").hidden = !open;
}
