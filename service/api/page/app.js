// The frame of the page: which view the address names, keeping it fresh, and what is said of the connection.

import { Refusal } from "./data/api.js";
import { forgetToken, token } from "./data/token.js";
import { closeDialogs } from "./parts/modal.js";
import { notice, tell } from "./parts/notice.js";
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
const LONGEST_PAUSE_MILLISECONDS = 30_000;

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

/** What the address names: a view, and what it is to show. */
function addressed() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const [name, id] = parts(path);
  const { all, one, under } = VIEWS[Object.hasOwn(VIEWS, name) ? name : "runs"];
  return { View: id && one ? one : all, under, id, query: new URLSearchParams(query) };
}

function parts(path) {
  try {
    return path.split("/").map(decodeURIComponent);
  } catch {
    // Such as "%E0", which is no text.
    return [];
  }
}

function show() {
  leaving.abort();
  leaving = new AbortController();
  closeDialogs();
  tell();
  say("");
  const { signal } = leaving;
  const { View, under, ...named } = addressed();
  // A view may go on for a while after it was left, with nobody to listen.
  const view = new View({ ...named, say: (text) => signal.aborted || say(text), signal });
  main.replaceChildren(view.element);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${under}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  keepFresh(view, signal);
}

/**
 * Refreshes a view until it is left: at once, and then as long as someone looks at the page. A view that does
 * not change soon has a longer `pause`, and so has one that is in trouble.
 */
async function keepFresh(view, signal) {
  let silent = false;
  let pause = PAUSE_MILLISECONDS;
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
      pause = trouble ? Math.min(2 * pause, LONGEST_PAUSE_MILLISECONDS) : (view.pause ?? PAUSE_MILLISECONDS);
      document.title = `${view.title} · Tandem`;
      forget.hidden = token() === null;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

main.before(notice);
forget.addEventListener("click", forgetToken);
document.getElementById("skip").addEventListener("click", () => main.focus());
addEventListener("hashchange", () => {
  show();
  // Whoever follows a link by keyboard or by ear goes on from the new page's heading.
  main.querySelector("h1")?.focus();
});
show();
