// The cluster: what its nodes have and what runs where, and how the models are served.

import { read } from "../data/api.js";
import { element, Facts, write } from "../parts/element.js";
import { bytes, count, milliseconds } from "../parts/figures.js";
import { Rows } from "../parts/rows.js";
import { Table } from "../parts/table.js";

export class ClusterView {
  title = "Cluster";
  #why = element("p", { class: "reason", hidden: true });
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
      section("Nodes", this.#why, this.#nodes.element),
      section("Serving", this.#servingWhy, this.#versions.element, this.#replicas.element),
    );
  }

  async refresh() {
    const { nodes, reason, serving } = await read("cluster");
    write(this.#why, reason);
    this.#nodes.show((nodes ?? []).map((node) => [node.id, node]));
    write(this.#servingWhy, serving?.reason);
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
  #runs = element("p");
  #said;

  constructor() {
    this.element = element("li", { class: "card" }, this.#name, this.#facts.element, this.#meter, this.#runs);
  }

  update(node) {
    const of = (used, all, form) =>
      Number.isFinite(used) ? `${form(used)} of ${form(all)} in use` : form(all);
    write(this.#name, `${node.address}${node.is_head ? " (head)" : ""}`);
    this.#facts.show({
      CPUs: of(node.cpus_used, node.cpus, count),
      GPUs:
        of(node.gpus_used, node.gpus, count) +
        (node.gpu_names?.length ? `: ${node.gpu_names.join(", ")}` : ""),
      Memory: of(node.memory_used_bytes, node.memory_bytes, bytes),
    });
    this.#meter.value = node.cpus ? (node.cpus_used ?? 0) / node.cpus : 0;
    this.#showRuns(node.runs ?? []);
  }

  #showRuns(runs) {
    const text = JSON.stringify(runs);
    if (text === this.#said) return;
    this.#said = text;
    const links = runs.flatMap(({ run_id: id, name, workers }, place) => [
      place ? ", " : "",
      element("a", { href: `#/runs/${id}` }, name ?? id.slice(0, 8)),
      ` (${count(workers)} ${workers === 1 ? "worker" : "workers"})`,
    ]);
    this.#runs.replaceChildren(...(links.length ? links : ["Nothing runs here."]));
  }
}
