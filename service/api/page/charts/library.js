// Plotly, brought in when the first chart is near: it is larger than all the rest of the page.

import { element } from "../parts/element.js";

const SOURCE = "page/plotly.js";

let loading = null;

/** Resolves to Plotly; asked for again where it could not be loaded. */
export function library() {
  return (loading ??= load().catch((error) => {
    loading = null;
    throw error;
  }));
}

async function load() {
  if (window.Plotly) return window.Plotly;
  // Perhaps `early.js` has begun.
  const begun = document.querySelector(`script[src="${SOURCE}"]`);
  const script = begun ?? element("script", { src: SOURCE });
  await new Promise((resolve, reject) => {
    script.addEventListener("load", resolve);
    script.addEventListener("error", () => {
      script.remove();
      reject(new Error("The charts' library could not be loaded"));
    });
    if (!begun) document.head.append(script);
  });
  return window.Plotly;
}
