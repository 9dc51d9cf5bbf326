// Server-sent events. The browser's EventSource could not send the token.

import { request } from "./api.js";

// The server says something every 15 seconds: a connection that a sleep or a change of network has cut tells
// nobody that it is none.
const SILENCE_MILLISECONDS = 45_000;

/**
 * Events of a job, {kind, id, data}, from the one after `lastId` on, in lists of those that came together,
 * until the job is over or `signal` says to end.
 */
export async function* events(path, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  const silent = new AbortController();
  let patience;
  const wait = () => {
    clearTimeout(patience);
    patience = setTimeout(
      () => silent.abort(new Error("The server has fallen silent")),
      SILENCE_MILLISECONDS,
    );
  };
  try {
    wait();
    const answer = await request(path, { headers, signal: AbortSignal.any([signal, silent.signal]) });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (let text = "", chunk; !(chunk = await reader.read()).done;) {
      wait();
      const blocks = (text + chunk.value).split(/\r?\n\r?\n/);
      text = blocks.pop();
      const told = blocks.map(parse).filter(({ data }) => data);
      if (told.length) yield told;
    }
  } finally {
    clearTimeout(patience);
  }
}

/** A block's fields, each of which is one line. */
function parse(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 1).trim();
  }
  return { kind: fields.event, id: fields.id, data: fields.data && JSON.parse(fields.data) };
}
