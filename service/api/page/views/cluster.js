// The cluster: what its nodes have and what runs where, and how the models are served.

import { read } from "../data/api.js";
import { element, Facts, write } from "../parts/element.js";
import { bytes, count, milliseconds } from "../parts/figures.js";
import { Rows } from "../parts/rows.js";
import { Table } from "../parts/table.js";

export class ClusterView {
  title = "Cluster";
  #why = element("p", { class: "reason", hidden: true });
  #growth = element("p", { class: "quiet", hidden: true });
  #nodes = new Rows(element("ul", { class: "cards nodes" }), () => new NodeRow(), "No node has joined.");
  #servingWhy = element("p", { class: "reason", hidden: true });
  #replicas = new Table("Serving processes", ["Address", "Answers"], "None is known.");
  #versions = new Table(
    "Versions that are served",
    ["Model", "#Version", "Aliases", "#Answers", "#Mean", "#Half within", "#95 % within", "#99 % within"],
    "No model has been asked since serving began.",
  );

  constructor() {
    const section = (heading, ...children) => element("section", {}, element("h2", {}, heading), ...children);
    this.element = element(
      "div",
      {},
      element("h1", { tabindex: "-1" }, "Cluster"),
      section("Nodes", this.#why, this.#nodes.element, this.#growth),
      section("Serving", this.#servingWhy, this.#versions.element, this.#replicas.element),
    );
  }

  async refresh() {
    const { nodes, nodes_reason: why, growth, serving, serving_reason: servingWhy } = await read("cluster");
    write(this.#why, why);
    write(this.#growth, growth && mayGrow(growth));
    this.#nodes.show((nodes ?? []).map((node) => [node.id, node]));
    write(this.#servingWhy, servingWhy);
    this.#replicas.show((serving?.replicas ?? []).map(({ address, status }) => [address, status]));
    this.#versions.show(
      (serving?.versions ?? []).map((version) => [
        version.model,
        String(version.version),
        version.aliases.join(", "),
        count(version.answers),
        milliseconds(version.mean_seconds),
        milliseconds(version.p50_seconds),
        milliseconds(version.p95_seconds),
        milliseconds(version.p99_seconds),
      ]),
    );
  }
}

class NodeRow {
  #name = element("h3");
  #facts = new Facts(["CPUs", "GPUs", "Memory"]);
  #meter = element("meter", { min: "0", max: "1", "aria-label": "CPUs in use" });
  #work = element("ul");
  #said;

  constructor() {
    this.element = element("li", { class: "card" }, this.#name, this.#facts.element, this.#meter, this.#work);
  }

  update(node) {
    write(this.#name, `${node.address}${node.is_head ? " (head)" : ""}`);
    this.#facts.show({
      CPUs: share(node.cpus_used, node.cpus, count),
      GPUs:
        node.gpus === 0
          ? "none"
          : [share(node.gpus_used, node.gpus, count), ...(node.gpu_names ?? [])].join(", "),
      Memory: share(node.memory_used_bytes, node.memory_bytes, bytes),
    });
    this.#meter.value = node.cpus ? (node.cpus_used ?? 0) / node.cpus : 0;
    this.#showWork(node);
  }

  #showWork({ runs, preparations }) {
    const said = JSON.stringify([runs, preparations]);
    if (said === this.#said) return;
    this.#said = said;
    const work = [
      ...runs.map(({ run_id: id, name, workers }) =>
        of(`runs/${id}`, name ?? id.slice(0, 8), several(workers, "worker")),
      ),
      ...preparations.map(({ dataset, tasks }) =>
        of(`datasets/${dataset}`, dataset, several(tasks, "shard at work")),
      ),
    ];
    this.#work.replaceChildren(
      ...(work.length ? work : [element("li", { class: "quiet" }, "Nothing runs here.")]),
    );
  }
}

const share = (used, all, form) =>
  Number.isFinite(used) ? `${form(used)} of ${form(all)} in use` : form(all);
const of = (path, name, what) => element("li", {}, element("a", { href: `#/${path}` }, name), ` ${what}`);
const several = (number, what) => `${count(number)} ${number === 1 ? what : what.replace(/^\w+/, "$&s")}`;

const mayGrow = ({ workers, cpus, gpus, to_come: toCome }) =>
  `The cluster grows to ${several(workers, "worker")} of ${count(cpus)} CPUs and ${count(gpus)} GPUs` +
  (Number.isFinite(toCome) ? `; ${count(toCome)} may still come.` : ".");
