// A question in the middle of the page, which keeps the keyboard until it is answered or left.

import { element } from "./element.js";
import { Form } from "./form.js";
import { openDialog } from "./modal.js";

/** Resolves to whether the reader said yes. */
export function confirmed(question, yes) {
  return new Promise((resolve) => {
    const dialog = openDialog(question, (shown) => [
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

/**
 * A form in a dialog; resolves to what its request gave, or to null where the dialog was left before one.
 * Rejects where the request fails and the dialog, which would say so, was left meanwhile.
 */
export function asked(question, groups, submit, send, body = {}) {
  return new Promise((resolve) => {
    let sending = null;
    const dialog = openDialog(question, (shown) => {
      const form = new Form(groups, submit, async (filled) => {
        sending = send(filled);
        try {
          await sending;
        } catch (error) {
          if (shown.open) sending = null;
          throw error;
        }
        shown.close();
      });
      form.fill(body);
      const leave = element("button", { type: "button", onclick: () => shown.close() }, "Leave it");
      return [form.element, leave];
    });
    dialog.addEventListener("close", () => resolve(sending));
  });
}
