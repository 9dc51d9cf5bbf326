// The token that requests carry: asked for once, when the server first refuses.

import { element } from "../parts/element.js";
import { closeDialogs } from "../parts/modal.js";

// One origin may serve several of these pages, each behind a prefix of its own.
const KEY = `tandem-token:${location.pathname}`;

let asking = null;

export const token = () => sessionStorage.getItem(KEY) ?? localStorage.getItem(KEY);

export function forgetToken() {
  sessionStorage.removeItem(KEY);
  localStorage.removeItem(KEY);
  location.reload();
}

/** Resolves once there is another token than `refused`; whoever asks meanwhile waits for the same one. */
export async function askForToken(refused, reason) {
  // Another request may have brought a newer token in while this one was under way.
  if (token() === refused) await (asking ??= ask(reason).finally(() => (asking = null)));
}

async function ask(reason) {
  const input = element("input", {
    id: "token",
    type: "password",
    required: true,
    autocomplete: "off",
    pattern: "[!-~]+",
    title: "letters, digits and signs without spaces",
    "aria-describedby": "token-why",
  });
  const keep = element("input", { type: "checkbox" });
  const form = element(
    "form",
    { class: "card token" },
    element("label", { for: "token" }, "This server asks for a token"),
    element(
      "div",
      { class: "line" },
      input,
      element("button", { type: "submit", class: "main" }, "Continue"),
    ),
    element("label", { class: "choice" }, keep, "Keep it in this browser"),
    element("p", { id: "token-why", class: "quiet" }, reason),
  );
  const main = document.querySelector("main");
  // A dialog would keep the keyboard from the form.
  closeDialogs();
  main.before(form);
  main.hidden = true;
  input.focus();
  await new Promise((resolve) =>
    form.addEventListener("submit", (told) => (told.preventDefault(), resolve())),
  );
  sessionStorage.removeItem(KEY);
  (keep.checked ? localStorage : sessionStorage).setItem(KEY, input.value);
  form.remove();
  main.hidden = false;
  (main.querySelector("h1") ?? main).focus();
}
