// A photo from the reader's camera: shown while it looks, taken at a press, and switched off after it.

import { actionButton } from "./action.js";
import { element } from "./element.js";

export class Camera {
  #stream = null;
  #video = element("video", {
    muted: true,
    playsinline: true,
    hidden: true,
    "aria-label": "What the camera sees",
  });
  #taken;
  #say;
  #signal;
  #start;
  #take;

  constructor({ taken, say, signal }) {
    this.#taken = taken;
    this.#say = say;
    this.#signal = signal;
    this.#start = actionButton("Use the camera", (meanwhile) => meanwhile(() => this.#open()), say);
    this.#take = actionButton("Take the photo", (meanwhile) => meanwhile(() => this.#shoot()), say, {
      class: "main",
      hidden: true,
    });
    this.element = element("div", { class: "camera" }, this.#start, this.#take, this.#video);
    signal.addEventListener("abort", () => this.#close());
  }

  async #open() {
    if (this.#stream) return this.#close();
    try {
      // Browsers have it on loopback and under https alone.
      if (!navigator.mediaDevices) throw new Error("open this page under https, or on this machine itself");
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      // People take their time to allow it, and may have gone elsewhere.
      if (this.#signal.aborted) return this.#close();
      this.#video.srcObject = this.#stream;
      await this.#video.play();
    } catch (error) {
      this.#close();
      return this.#say(`No camera: ${error.message}`);
    }
    this.#show(this.#stream !== null);
  }

  async #shoot() {
    const canvas = new OffscreenCanvas(this.#video.videoWidth, this.#video.videoHeight);
    canvas.getContext("2d").drawImage(this.#video, 0, 0);
    const photo = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 });
    this.#close();
    this.#taken(new File([photo], "camera.jpg", { type: "image/jpeg" }));
  }

  #close() {
    this.#stream?.getTracks().forEach((track) => track.stop());
    this.#stream = null;
    this.#show(false);
  }

  #show(looking) {
    this.#video.hidden = this.#take.hidden = !looking;
    this.#start.textContent = looking ? "Switch it off" : "Use the camera";
  }
}
