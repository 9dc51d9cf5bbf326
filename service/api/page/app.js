// The frame of the page: which view the address names, keeping it fresh, and what is said of the connection.

import { Refusal } from "./data/api.js";
import { forgetToken, token } from "./data/token.js";
import { closeDialogs } from "./parts/modal.js";
import { notice, tell } from "./parts/notice.js";

const PAUSE_MILLISECONDS = 2000;
const LONGEST_PAUSE_MILLISECONDS = 30_000;

// Of each address: its view, the one for something in it, and which link of the head it belongs to. A view is
// named by its module, which is brought in when it is first shown, and the class in that.
const VIEWS = {
  runs: { all: ["runs", "RunsView"], one: ["run", "RunView"], under: "runs" },
  start: { all: ["start_run", "StartRunView"], under: "runs" },
  datasets: { all: ["datasets", "DatasetsView"], one: ["dataset", "DatasetView"], under: "datasets" },
  prepare: { all: ["prepare", "PrepareView"], under: "datasets" },
  models: { all: ["models", "ModelsView"], under: "models" },
  classify: { all: ["classify", "ClassifyView"], under: "classify" },
  filters: { all: ["filters", "FiltersView"], one: ["filters", "FiltersView"], under: "filters" },
  cluster: { all: ["cluster", "ClusterView"], under: "cluster" },
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
  return { place: id && one ? one : all, under, id, query: new URLSearchParams(query) };
}

function parts(path) {
  try {
    const named = path.split("/").map(decodeURIComponent);
    // No name has it within; in a request it would lead elsewhere.
    return named.some((part) => part.includes("/")) ? [] : named;
  } catch {
    // Such as "%E0", which is no text.
    return [];
  }
}

async function show() {
  leaving.abort();
  leaving = new AbortController();
  closeDialogs();
  tell();
  const { signal } = leaving;
  const { place, under, ...named } = addressed();
  const View = await load(place, signal);
  if (signal.aborted) return;
  // A view may go on for a while after it was left, with nobody to listen.
  say("");
  const view = new View({ ...named, say: (text) => signal.aborted || say(text), signal });
  main.replaceChildren(view.element);
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${under}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  keepFresh(view, signal);
}

/** A view's class. A module that did not come is asked for again, by an address that has not failed. */
async function load([module, name], signal) {
  for (let again = ""; !signal.aborted; again = `?again=${Date.now()}`) {
    try {
      return (await import(`./views/${module}.js${again}`))[name];
    } catch (error) {
      console.warn(error);
      say("A part of this page could not be loaded. Trying again …");
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MILLISECONDS));
    }
  }
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
addEventListener("hashchange", async () => {
  await show();
  // Whoever follows a link by keyboard or by ear goes on from the new page's heading.
  main.querySelector("h1")?.focus();
});
show();
