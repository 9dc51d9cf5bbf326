// Starting a run: a form whose fields are the specification's, and whose faults are told by the API.

import { newKey, read, send } from "../data/api.js";
import { element } from "../parts/element.js";
import { Form } from "../parts/form.js";

const names = (items) => Object.fromEntries(items.map((name) => [name, name]));

export class StartRunView {
  title = "Start a run";
  #form;
  #like;
  #offered = false;

  constructor({ query, signal }) {
    this.#like = query.get("like");
    // Sent again after a broken connection, a request with the same key makes no second run.
    let key = newKey();
    this.#form = new Form(GROUPS, "Start", async (body) => {
      const run = await send("POST", "runs", body, { headers: { "Idempotency-Key": key } });
      key = newKey();
      if (!signal.aborted) location.hash = `#/runs/${run.id}`;
    });
    this.#form.element.addEventListener("input", () => (key = newKey()));
    this.element = element(
      "section",
      {},
      element("h1", { tabindex: "-1" }, "Start a run"),
      this.#form.element,
    );
  }

  async refresh() {
    if (!this.#offered) await this.#offer();
    if (!this.#like) return;
    this.#form.fill((await read(`runs/${this.#like}`)).spec);
    this.#like = null;
    // For the hint of the recipe that is now chosen.
    this.#form.control("recipe.preset").dispatchEvent(new Event("change"));
  }

  async #offer() {
    const [{ items: datasets }, { items: models }, presets] = await Promise.all(
      ["datasets", "models", "presets"].map(read),
    );
    const whole = datasets.filter(({ manifest }) => manifest).map(({ name }) => name);
    this.#form.offer("dataset", whole.length ? names(whole) : { "": "none is whole yet: prepare one first" });
    this.#form.offer("model.preset", names(Object.keys(presets.models)));
    this.#form.offer("recipe.preset", names(Object.keys(presets.recipes)));
    this.#form.offer("start_from.model", { "": "random weights", ...names(models.map(({ name }) => name)) });
    this.#form.fill({ model: { preset: "alexnet" }, recipe: { preset: "paper" } });
    if (!this.#like) this.#fitNetwork(datasets, presets.models);
    const [recipe, dataset] = ["recipe.preset", "dataset"].map((path) => this.#form.control(path));
    const hint = () => this.#hint(presets.recipes[recipe.value]);
    recipe.addEventListener("change", hint);
    dataset.addEventListener("change", () => this.#fitNetwork(datasets, presets.models));
    hint();
    this.#offered = true;
  }

  /** Chooses a network that takes photos of the dataset's size, where the chosen one does not. */
  #fitNetwork(datasets, models) {
    const [dataset, network] = ["dataset", "model.preset"].map((path) => this.#form.control(path));
    const size = datasets.find(({ name }) => name === dataset.value)?.manifest.image_size;
    if (!size || models[network.value]?.image_size === size) return;
    network.value = Object.keys(models).find((name) => models[name].image_size === size) ?? network.value;
  }

  /** Says what the chosen recipe has where a field is left empty. */
  #hint(recipe) {
    for (const name of ["epochs", "global_batch_size", "learning_rate"]) {
      this.#form.control(`recipe.${name}`).placeholder = recipe?.[name] ?? "";
    }
  }
}

const GROUPS = [
  {
    legend: "What to train",
    fields: [
      { path: "dataset", label: "Dataset", kind: "choice", required: true },
      { path: "name", label: "Name", kind: "text", hint: "For people to know it by" },
      { path: "model.preset", label: "Network", kind: "choice" },
      { path: "recipe.preset", label: "Recipe", kind: "choice" },
      { path: "start_from.model", label: "Start from", kind: "choice" },
      {
        path: "start_from.version",
        label: "Version",
        kind: "number_or_name",
        hint: "Of that model: a number or an alias; without, the one in production or the newest",
      },
    ],
  },
  {
    legend: "How long and how fast",
    fields: [
      { path: "recipe.epochs", label: "Epochs", kind: "number" },
      { path: "recipe.max_steps", label: "Steps, at most", kind: "number" },
      { path: "recipe.global_batch_size", label: "Global batch size", kind: "number" },
      { path: "recipe.learning_rate", label: "Learning rate", kind: "number" },
      { path: "seed", label: "Seed", kind: "number", placeholder: "0" },
    ],
  },
  {
    legend: "Resources",
    folded: true,
    fields: [
      { path: "resources.num_workers", label: "Workers", kind: "number", placeholder: "1" },
      { path: "resources.devices_per_worker", label: "Devices per worker", kind: "number", placeholder: "2" },
      {
        path: "resources.accelerator",
        label: "Accelerator",
        kind: "choice",
        choices: { auto: "GPUs where there are any", gpu: "GPUs", cpu: "CPUs" },
      },
      { path: "resources.cpus_per_worker", label: "CPUs per worker", kind: "number" },
      { path: "resources.elastic.min", label: "Elastic: workers, at least", kind: "number" },
      { path: "resources.elastic.max", label: "Elastic: workers, at most", kind: "number" },
    ],
  },
  {
    legend: "Checkpoints and publishing",
    folded: true,
    fields: [
      {
        path: "checkpoint.every_steps",
        label: "Steps between checkpoints",
        kind: "number",
        placeholder: "500",
      },
      { path: "checkpoint.keep", label: "Checkpoints kept", kind: "number", placeholder: "3" },
      {
        path: "publish.model",
        label: "Publish as",
        kind: "text",
        hint: "A model's name; the run is published when it succeeds",
      },
      { path: "publish.alias", label: "Under the alias", kind: "text", placeholder: "production" },
    ],
  },
  {
    legend: "Other fields",
    folded: true,
    fields: [
      {
        path: "model",
        label: "Of the network",
        kind: "json",
        placeholder: '{"lrn": false}',
        hint: "As JSON: the switches that differ from the preset",
      },
      {
        path: "recipe",
        label: "Of the recipe",
        kind: "json",
        placeholder: '{"momentum": 0.8}',
        hint: "As JSON: the fields that differ from the preset",
      },
      {
        path: "loading",
        label: "Of the loading",
        kind: "json",
        placeholder: '{"shuffle": "blocks"}',
        hint: "As JSON",
      },
    ],
  },
];
