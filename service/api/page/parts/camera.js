// A photo from the reader's camera: shown while it looks, taken at a press, and switched off after it.

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
  #start;
  #take;

  constructor({ taken, say, signal }) {
    this.#taken = taken;
    this.#say = say;
    this.#start = element("button", { type: "button", onclick: () => this.#open() }, "Use the camera");
    this.#take = element(
      "button",
      { type: "button", class: "main", hidden: true, onclick: () => this.#shoot() },
      "Take the photo",
    );
    this.element = element("div", { class: "camera" }, this.#start, this.#take, this.#video);
    signal.addEventListener("abort", () => this.#close());
  }

  async #open() {
    if (this.#stream) return this.#close();
    try {
      // Browsers have it on loopback and under https alone.
      if (!navigator.mediaDevices) throw new Error("open this page under https, or on this machine itself");
      this.#stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch (error) {
      return this.#say(`No camera: ${error.message}`);
    }
    this.#video.srcObject = this.#stream;
    await this.#video.play();
    this.#show(true);
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
