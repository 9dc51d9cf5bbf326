// Plotly, brought in when the first chart is near: it is larger than all the rest of the page.

import { element } from "../parts/element.js";

// Plotly carries a map with a style sheet of its own, which the page's policy would refuse and the browser's
// console complain of. It is left out where an element of this name is there.
const STYLE_OF_MAPS = "9f215cf04c5486422605d13261cb87401f4e7763b6296af81e98efbc0130da53";

let loading = null;

/** Resolves to Plotly; asked for again where it could not be loaded. */
export function library() {
  return (loading ??= load().catch((error) => {
    loading = null;
    throw error;
  }));
}

async function load() {
  document.head.append(element("meta", { id: STYLE_OF_MAPS }));
  const script = element("script", { src: "page/plotly.js" });
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error("The charts' library could not be loaded"));
    document.head.append(script);
  });
  return window.Plotly;
}
