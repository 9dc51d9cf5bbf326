// The runs laid beside the one that is looked at, and which of them the address names.

import { Refusal } from "./api.js";
import { RunBeside } from "./run_beside.js";

export const MOST_BESIDE = 5;

export class RunsBeside {
  /** In the order in which they were laid. */
  runs = [];
  /** The ids of those that turned out to be deleted. */
  gone = [];
  #changed;
  #reading = null;

  /** `changed` is called whenever there is more to show, or less. */
  constructor(ids, changed) {
    this.#lay(ids);
    this.#changed = changed;
  }

  get ids() {
    return this.runs.map(({ id }) => id);
  }

  /** Lays these and no others, as many as there is room for; those that stay keep what is known of them. */
  lay(ids) {
    this.gone = [];
    this.#lay(ids);
    this.#changed();
  }

  /** Brings up to date those whose time has come, one after the other: a browser opens six connections. */
  refresh() {
    return (this.#reading ??= this.#readAll().finally(() => (this.#reading = null)));
  }

  close() {
    this.runs.forEach((run) => run.close());
    this.runs = [];
  }

  #lay(ids) {
    const wanted = new Set([...new Set(ids)].slice(0, MOST_BESIDE));
    this.runs.filter(({ id }) => !wanted.has(id)).forEach((run) => run.close());
    this.runs = this.runs.filter(({ id }) => wanted.delete(id));
    for (const id of wanted) this.runs.push(new RunBeside(id, this.#freePlace()));
  }

  async #readAll() {
    for (let run; (run = this.runs.find(({ isDue }) => isDue));) {
      const trouble = await run.refresh().then(
        () => null,
        (error) => error,
      );
      if (run.isClosed) continue;
      run.trouble = trouble;
      if (trouble instanceof Refusal && trouble.status === 404) this.#drop(run);
      this.#changed();
    }
  }

  #drop(run) {
    run.close();
    this.runs = this.runs.filter((other) => other !== run);
    this.gone.push(run.name);
  }

  /** The first one that none has: the run that is looked at has that before all. */
  #freePlace() {
    const taken = new Set(this.runs.map(({ place }) => place));
    let place = 1;
    while (taken.has(place)) place++;
    return place;
  }
}
