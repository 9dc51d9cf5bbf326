// How long a server may keep silent: until its answer begins, and then from each piece of it to the next.

/** Fetches; throws an Error where nothing is heard for `patience` milliseconds, or `signal` says to end. */
export async function fetchPatiently(address, { patience, signal, ...options }) {
  const silence = new AbortController();
  const timer = setTimeout(() => silence.abort(), patience);
  const ends = [silence.signal, signal].filter(Boolean);
  const answer = await fetch(address, { ...options, signal: AbortSignal.any(ends) }).finally(() =>
    clearTimeout(timer),
  );
  return answer.body ? new Response(heard(answer.body, patience), answer) : answer;
}

/** A body that fails where its next piece does not come in time. */
function heard(body, patience) {
  let timer;
  const listen = (controller) => {
    clearTimeout(timer);
    timer = setTimeout(() => controller.error(), patience);
  };
  return body.pipeThrough(
    new TransformStream({
      start: listen,
      transform: (piece, controller) => (listen(controller), controller.enqueue(piece)),
      flush: () => clearTimeout(timer),
    }),
  );
}
