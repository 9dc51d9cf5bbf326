// The frame of the page: which view the address names, keeping it fresh, and what is said of the connection.

import { Refusal } from "./data/api.js";
import { forgetToken, token } from "./data/token.js";
import { ClassifyView } from "./views/classify.js";
import { ClusterView } from "./views/cluster.js";
import { DatasetView } from "./views/dataset.js";
import { DatasetsView } from "./views/datasets.js";
import { FiltersView } from "./views/filters.js";
import { PrepareView } from "./views/prepare.js";
import { RunView } from "./views/run.js";
import { RunsView } from "./views/runs.js";
import { StartRunView } from "./views/start_run.js";

const PAUSE_MILLISECONDS = 2000;

// Of each address: its view, the one for something in it, and which link of the head it belongs to.
const VIEWS = {
  runs: { all: RunsView, one: RunView, under: "runs" },
  start: { all: StartRunView, under: "runs" },
  datasets: { all: DatasetsView, one: DatasetView, under: "datasets" },
  prepare: { all: PrepareView, under: "datasets" },
  classify: { all: ClassifyView, under: "classify" },
  filters: { all: FiltersView, one: FiltersView, under: "filters" },
  cluster: { all: ClusterView, under: "cluster" },
};

const [main, message, forget] = ["view", "message", "forget"].map((id) => document.getElementById(id));
let leaving = new AbortController();

const say = (text) => {
  if (message.textContent !== text) message.textContent = text;
};

function show() {
  leaving.abort();
  leaving = new AbortController();
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = path.split("/").map(decodeURIComponent);
  const { all, one, under } = VIEWS[name] ?? VIEWS.runs;
  const { signal } = leaving;
  const view = new (id && one ? one : all)({ id, query: new URLSearchParams(query), say, signal });
  say("");
  main.replaceChildren(view.element);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${under}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  keepFresh(view, signal);
}

/** Refreshes a view until it is left: at once, and then as long as someone looks at the page. */
async function keepFresh(view, signal) {
  let silent = false;
  while (!signal.aborted) {
    if (!document.hidden) {
      const trouble = await view.refresh().then(
        () => null,
        (error) => error,
      );
      if (signal.aborted) return;
      if (trouble) say(trouble instanceof Refusal ? trouble.message : `${trouble.message}. Trying again …`);
      else if (silent) say("");
      silent = trouble !== null;
      document.title = `${view.title} · Tandem`;
      forget.hidden = token() === null;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
  }
}

forget.addEventListener("click", forgetToken);
document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", () => {
  show();
  // Whoever follows a link by keyboard or by ear goes on from the new page's heading.
  main.querySelector("h1")?.focus();
});
show();
