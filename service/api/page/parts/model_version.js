// A version of a model: where it comes from, how well it did, what it is called, and what can be done to it.

import { send } from "../data/api.js";
import { canGoOn, isOver } from "../data/job_state.js";
import { nameOf } from "../data/run_name.js";
import { actionButton } from "./action.js";
import { asked, confirmed } from "./dialog.js";
import { element, Facts, write } from "./element.js";
import { count, moment, percent } from "./figures.js";
import { Rows } from "./rows.js";

const FACTS = ["Made", "Top-1 error", "Top-5 error", "Weights' SHA-256", "Index"];
const SHA_DIGITS = 12;

/** Where the API has a version. */
export const pathOf = ({ name, version }) => `models/${name}/versions/${version}`;

/** A version with what is known beside of it: its `aliases`, `run` and `index`, null where there are none. */
export class VersionRow {
  #run = element("a");
  #origin = element("span");
  #facts = new Facts(FACTS);
  #why = element("p", { class: "reason", hidden: true });
  #trouble = element("p", { class: "reason", role: "alert", hidden: true });
  #version;
  #changed;
  #indexed;
  #aliases;
  #build;

  constructor(version, { changed, indexed }) {
    this.#version = version;
    this.#changed = changed;
    this.#indexed = indexed;
    this.#aliases = new Rows(
      element("ul", { class: "group" }),
      (alias) => new AliasRow(alias, (meanwhile) => this.#removeAlias(alias, meanwhile), this.#say, version),
    );
    const button = (text, act) =>
      actionButton(text, act, this.#say, { "aria-label": `${text}: ${called(version)}` });
    this.#build = button("Build the index", (meanwhile) => meanwhile(() => this.#buildIndex()));
    this.element = element(
      "li",
      { class: "card" },
      element(
        "div",
        { class: "line" },
        element("h3", {}, `Version ${version.version}`),
        this.#aliases.element,
        element(
          "span",
          { class: "group" },
          button("Move an alias here", () => this.#moveAlias()),
          this.#build,
          button("Delete", (meanwhile) => this.#remove(meanwhile)),
        ),
      ),
      element("p", { class: "quiet" }, "From ", this.#run, this.#origin),
      this.#facts.element,
      this.#why,
      this.#trouble,
    );
  }

  update(version) {
    this.#version = version;
    const { run_id: id, run, step, dataset, network, metrics, index } = version;
    this.#aliases.show(version.aliases.map((alias) => [alias, alias]));
    write(this.#run, nameOf(run ?? { id, name: null }));
    if (run === null) this.#run.removeAttribute("href");
    else this.#run.setAttribute("href", `#/runs/${encodeURIComponent(id)}`);
    const gone = run === null ? ", which is deleted," : "";
    write(this.#origin, `${gone} at step ${count(step)} · ${dataset} · ${network}`);
    this.#facts.show({
      Made: moment(version.created_at),
      "Top-1 error": percent(metrics.val_top1_error),
      "Top-5 error": percent(metrics.val_top5_error),
      "Weights' SHA-256": `${version.weights_sha256.slice(0, SHA_DIGITS)}…`,
      Index: howFar(index),
    });
    write(this.#why, index && index.state !== "succeeded" ? index.reason : "");
    this.#build.hidden = !(index === null || (index && canGoOn(index.state)));
  }

  #say = (text) => write(this.#trouble, text);

  async #moveAlias() {
    const { name, version } = this.#version;
    const alias = {
      path: "alias",
      label: "Alias",
      kind: "text",
      required: true,
      hint: `Whoever asks for ${name} by this name is answered by version ${version}`,
    };
    const moved = await asked(
      `Which alias is to mean ${called(this.#version)}?`,
      [{ legend: "Alias", fields: [alias] }],
      "Move it",
      (filled) => send("PUT", aliasPath(name, filled.alias), { version }),
      { alias: "production" },
    );
    if (moved) await this.#changed();
  }

  async #removeAlias(alias, meanwhile) {
    const { name, version } = this.#version;
    const question = `Remove the alias ${alias} of ${name}? Version ${version} stays.`;
    if (!(await confirmed(question, "Remove it"))) return;
    await meanwhile(async () => {
      await send("DELETE", aliasPath(name, alias));
      await this.#changed();
    });
  }

  async #buildIndex() {
    this.#indexed(this.#version, await send("POST", `${pathOf(this.#version)}/index`));
    await this.#changed();
  }

  async #remove(meanwhile) {
    const question = `Delete ${called(this.#version)}, for good? Its number is not given again.`;
    if (!(await confirmed(question, "Delete it"))) return;
    await meanwhile(async () => {
      await send("DELETE", pathOf(this.#version));
      await this.#changed();
    });
  }
}

/** An alias, which stays as it is for as long as it names the same version. */
class AliasRow {
  constructor(alias, remove, say, { name }) {
    const label = `Remove alias ${alias} of ${name}`;
    this.element = element(
      "li",
      { class: "group" },
      element("strong", {}, alias),
      actionButton("Remove alias", remove, say, { "aria-label": label }),
    );
  }

  update() {}
}

const called = ({ name, version }) => `${name}, version ${version}`;
const aliasPath = (name, alias) => `models/${name}/aliases/${encodeURIComponent(alias)}`;

/** How far an index is, null where there is none; a dash while that is not known. */
function howFar(index) {
  if (index === null) return "none";
  if (!index) return count(index);
  if (index.state === "succeeded") return "ready";
  if (isOver(index.state) || index.state === "queued") return index.state;
  const { photos_done: done, photos_total: total } = index.progress;
  return Number.isFinite(total) ? `being built, ${count(done)} of ${count(total)} photos` : "being built";
}
