// A button that has something done: once at a time, and without the keyboard's place in the page being lost.

import { element } from "./element.js";

/**
 * `act(meanwhile)` is called at a press; `say` is told what went wrong. It does its request in
 * `meanwhile(request)`, which disables the button for as long.
 */
export function actionButton(text, act, say, attributes = {}) {
  let busy = false;
  // Not while a dialog asks: when it is left, focus goes back to what opened it, if that can take it.
  const meanwhile = async (request) => {
    button.disabled = true;
    try {
      return await request();
    } finally {
      button.disabled = false;
    }
  };
  const press = async () => {
    if (busy) return;
    busy = true;
    const focused = document.activeElement === button;
    say("");
    try {
      await act(meanwhile);
    } catch (error) {
      say(error.message);
    } finally {
      busy = false;
    }
    if (focused) keepFocus(button);
  };
  const button = element("button", { type: "button", onclick: press, ...attributes }, text);
  return button;
}

/** Focus that a button has lost goes back to it, or to the view's heading where it is no longer shown. */
function keepFocus(button) {
  if (![document.body, button].includes(document.activeElement)) return;
  const shown = button.isConnected && !button.hidden;
  (shown ? button : document.querySelector("main h1"))?.focus();
}
