// What serving says of a photo.

import { Refusal, request, whole } from "./api.js";

// As many classes as ImageNet has: the true one may be far down.
const CLASSES = 1000;
// A photo may have to wait for its turn, and for the version that is to look at it.
const PATIENCE_MILLISECONDS = 120_000;

/** {model, version, top_k}: all classes, likeliest first. `model` is below models/, or "" for the default. */
export async function classify(photo, model, views, signal) {
  const path = `${model ? `models/${model}/` : ""}classify?top_k=${CLASSES}&views=${views}`;
  const { predictions, ...by } = await ask(path, photo, signal);
  return { ...by, top_k: predictions[0].top_k };
}

/** The training photos that the version which answered finds nearest, or the reason why there are none. */
export async function similar(photo, { model, version }, signal) {
  try {
    const { photos } = await ask(`models/${model}/versions/${version}/similar?top_k=6`, photo, signal);
    return { nearest: photos[0].nearest };
  } catch (error) {
    if (error instanceof Refusal) return { nearest: [], reason: error.message };
    throw error;
  }
}

async function ask(path, photo, signal) {
  const body = new FormData();
  body.append("file", photo);
  const patience = PATIENCE_MILLISECONDS;
  return whole(await request(path, { method: "POST", body, signal, patience }), "json");
}
