// Requests to the API that served this page: the token, and errors as people should read them.

const BASE = "api/v1/";
const PATIENCE_MILLISECONDS = 10_000;
// One origin may serve several of these pages, each behind a prefix of its own.
const TOKEN_KEY = `tandem-token:${location.pathname}`;

let asking = null;

/**
 * Fetches below api/v1/; asks for the token and tries again for as long as the answer is 401.
 * What goes wrong is an Error whose message is for people: the problem document's own where there is one.
 */
export async function request(path, { patience, ...options } = {}) {
  for (;;) {
    const token = sessionStorage.getItem(TOKEN_KEY);
    const headers = { ...options.headers, ...(token && { Authorization: `Bearer ${token}` }) };
    // The time people take to find their token is not the server's.
    const signal = patience ? AbortSignal.timeout(patience) : options.signal;
    const answer = await fetch(BASE + path, { ...options, headers, signal }).catch(() => {
      throw new Error("The server does not answer");
    });
    if (answer.ok) return answer;
    const reason = await reasonOf(answer);
    if (answer.status !== 401) throw new Error(reason);
    // Another request may have brought a newer token in while this one was under way.
    if (sessionStorage.getItem(TOKEN_KEY) === token) await (asking ??= askForToken(reason));
  }
}

export async function read(path) {
  const answer = await request(path, { patience: PATIENCE_MILLISECONDS });
  return answer.json();
}

export async function send(path, body) {
  const headers = { "Content-Type": "application/json" };
  await request(path, { method: "POST", headers, body: JSON.stringify(body) });
}

/** A run's events, {kind, id, data}, from the one after `lastId` on. EventSource could not send the token. */
export async function* events(path, lastId, signal) {
  const headers = lastId ? { "Last-Event-ID": lastId } : {};
  const answer = await request(path, { headers, signal });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = "", chunk; !(chunk = await reader.read()).done; ) {
    const blocks = (text + chunk.value).split(/\r?\n\r?\n/);
    text = blocks.pop();
    for (const block of blocks) {
      const fields = Object.fromEntries(block.split(/\r?\n/).map((line) => line.split(/: ?(.*)/s, 2)));
      if (fields.data) yield { kind: fields.event, id: fields.id, data: JSON.parse(fields.data) };
    }
  }
}

async function reasonOf(answer) {
  const problem = await answer.json().catch(() => ({}));
  return problem.detail ?? `the server answered ${answer.status} ${answer.statusText}`;
}

async function askForToken(reason) {
  const form = document.getElementById("token");
  const main = document.querySelector("main");
  document.getElementById("token-why").textContent = reason;
  [form.hidden, main.hidden] = [false, true];
  form.elements[0].focus();
  await new Promise((resolve) => {
    form.onsubmit = (submission) => (submission.preventDefault(), resolve());
  });
  sessionStorage.setItem(TOKEN_KEY, form.elements[0].value);
  form.reset();
  [form.hidden, main.hidden, asking] = [true, false, null];
}
