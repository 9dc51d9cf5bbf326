// Requests to the API that served this page: the token, and errors as people should read them.

import { fetchPatiently } from "./patience.js";
import { askForToken, token } from "./token.js";

const BASE = "api/v1/";
const PATIENCE_MILLISECONDS = 10_000;
// What is sent may have to wait for the cluster, or for others who change the same.
const SENDING_PATIENCE_MILLISECONDS = 30_000;

/** What the API refused: its message is for people, and `fields` are those it is about, {field, message}. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the server answered ${status}`);
    this.status = status;
    this.fields = problem.errors ?? [];
  }
}

/**
 * Fetches below api/v1/; asks for the token and tries again for as long as the answer is 401.
 * Throws a `Refusal`, or an Error where nobody answers: within `patience` milliseconds, where it is given.
 */
export async function request(path, { patience, ...options } = {}) {
  for (;;) {
    const sent = token();
    const headers = { ...options.headers, ...(sent && { Authorization: `Bearer ${sent}` }) };
    // For each try anew: the time people take to find their token is not the server's.
    const fetching = patience
      ? fetchPatiently(BASE + path, { ...options, headers, patience })
      : fetch(BASE + path, { ...options, headers });
    const answer = await fetching.catch(() => {
      throw new Error("The server does not answer");
    });
    if (answer.ok) return answer;
    const refusal = new Refusal(answer.status, await answer.json().catch(() => ({})));
    if (answer.status !== 401) throw refusal;
    await askForToken(sent, refusal.message);
  }
}

export async function read(path) {
  return whole(await request(path, { patience: PATIENCE_MILLISECONDS }), "json");
}

/** A picture, as an address for an <img>; it stays in memory until it is revoked. */
export async function picture(path) {
  const answer = await request(path, { patience: PATIENCE_MILLISECONDS });
  return URL.createObjectURL(await whole(answer, "blob"));
}

export async function send(
  method,
  path,
  body,
  { headers = {}, patience = SENDING_PATIENCE_MILLISECONDS } = {},
) {
  const options = body === undefined ? {} : { body: JSON.stringify(body) };
  const sent = body === undefined ? headers : { "Content-Type": "application/json", ...headers };
  const answer = await request(path, { method, headers: sent, patience, ...options });
  return answer.status === 204 ? null : whole(answer, "json");
}

/** What an answer brings, once all of it has come: as "json" or "blob". */
export async function whole(answer, form) {
  return answer[form]().catch(() => {
    throw new Error("The server broke off its answer");
  });
}

/** A key for a request that is not to be done twice, however often it is sent. */
export function newKey() {
  // Not randomUUID: a browser has it on loopback and under https alone.
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) =>
    byte.toString(16).padStart(2, "0"),
  ).join("");
}
