// The end of a log, which stays at its newest line unless the reader has scrolled up.

import { element } from "./element.js";

// How terminals are told to change colours.
const COLOURS = /\u001b\[[0-9;]*m/g;

export class Log {
  element = element("pre", { class: "log", tabindex: "0", role: "region", "aria-label": "Log" });

  /** Shows lines and says whether it did: what a reader has selected in them stays until it is let go. */
  show(lines) {
    const selection = getSelection();
    if (!selection.isCollapsed && this.element.contains(selection.anchorNode)) return false;
    const { scrollTop, scrollHeight, clientHeight } = this.element;
    const atEnd = scrollTop + clientHeight >= scrollHeight - 8;
    this.element.textContent = lines.join("\n").replace(COLOURS, "");
    if (atEnd) this.element.scrollTop = this.element.scrollHeight;
    return true;
  }
}
