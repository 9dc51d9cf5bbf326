// A question in the middle of the page, which keeps the keyboard until it is answered or left.

import { element } from "./element.js";
import { Form } from "./form.js";

/** Resolves to whether the reader said yes. */
export function confirmed(question, yes) {
  return new Promise((resolve) => {
    const dialog = open(question, (shown) => [
      element(
        "div",
        { class: "line end" },
        element("button", { type: "button", onclick: () => shown.close() }, "Leave it"),
        element("button", { type: "button", class: "main", onclick: () => shown.close("yes") }, yes),
      ),
    ]);
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"));
  });
}

/** A form in a dialog; resolves once its request was done, or the dialog was left. */
export function asked(question, groups, submit, send, body = {}) {
  return new Promise((resolve) => {
    const dialog = open(question, (shown) => {
      const form = new Form(groups, submit, async (filled) => {
        await send(filled);
        shown.close();
      });
      form.fill(body);
      const leave = element("button", { type: "button", onclick: () => shown.close() }, "Leave it");
      return [form.element, leave];
    });
    dialog.addEventListener("close", resolve);
  });
}

function open(question, fill) {
  const dialog = element("dialog", { "aria-labelledby": "question" });
  dialog.append(element("h2", { id: "question" }, question), ...fill(dialog));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
