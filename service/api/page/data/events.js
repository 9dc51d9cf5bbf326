// Server-sent events, {kind, id, data}. The browser's EventSource could not send the token.

import { request } from "./api.js";

/** Events of a job from the one after `lastId` on, until the job is over or `signal` says to end. */
export async function* events(path, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  const answer = await request(path, { headers, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", chunk; !(chunk = await reader.read()).done;) {
    const blocks = (text + chunk.value).split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split(/\r?\n/).map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield { kind: fields.event, id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}
