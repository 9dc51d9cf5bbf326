// How a run or a preparation is, as a word with a colour.

import { element, write } from "./element.js";

const TONES = {
  succeeded: "good",
  failed: "bad",
  interrupted: "bad",
  stopped: "quiet",
  queued: "wait",
  starting: "wait",
  recovering: "wait",
  stopping: "wait",
};

export class State {
  element = element("span", { class: "state", hidden: true });

  show(state) {
    write(this.element, state);
    this.element.dataset.tone = TONES[state] ?? "active";
  }
}
