// A dialog in the middle of the page, which keeps the keyboard while it is open.

import { element } from "./element.js";

/** Opens one under a heading; `fill(dialog)` gives what stands below it. Once closed it is gone. */
export function openDialog(heading, fill) {
  const dialog = element("dialog", { "aria-labelledby": "question" });
  dialog.append(element("h2", { id: "question" }, heading), ...fill(dialog));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/** Leaves whatever is open: what lies below it is to be used, or is no longer there. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}
