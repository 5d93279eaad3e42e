/**
 * `sauropod.dev/guestbook`: three roles of one program, chosen by the first argument or $ROLE.
 *
 * - `leader` keeps the entries, in memory: GET /entries?after=N&epoch=E&waitMs=T answers when there is something newer
 *   than N (or after T), POST /entries {key, text} adds one; a key that is known adds nothing.
 * - `follower` copies them from the Service guestbook-leader and answers GET /entries.
 * - `frontend` serves a page at / and its API at /api/entries: it writes to guestbook-leader and reads from
 *   guestbook-follower. It finds both by the variables that Kubernetes sets for Services.
 *
 * All serve /healthz and /readyz on $POD_IP:$PORT (default 8080). It imports nothing, so that it starts at once.
 */
const role = Deno.args[0] ?? Deno.env.get("ROLE") ?? "";
const hostname = Deno.env.get("POD_IP") ?? "127.0.0.1";
const port = Number(Deno.env.get("PORT") ?? "8080");
const pod = Deno.env.get("POD_NAME") ?? Deno.env.get("HOSTNAME") ?? role;

/** After SIGTERM new connections are still served this long: the proxies need a moment to learn that we end. */
const propagationMs = 1000;
/** How long requests under way may then take. */
const drainMs = 2000;
/** Older entries are dropped. */
const maxEntries = 1000;
const maxTextLength = 500;
const maxBodyBytes = 8 * 1024;
/** A leader answers a follower that has everything after this long at the latest. */
const longPollMs = 10_000;
const requestTimeoutMs = 3000;
/** Tries of one request to a Service: each opens a connection, which may lead to another pod. */
const maxTries = 3;
const retryMs = 200;

interface Entry {
  readonly id: number;
  readonly key: string;
  readonly text: string;
  /** RFC 3339. */
  readonly time: string;
}

interface Page {
  /** Another one: the leader has begun anew, and so have the ids. */
  readonly epoch: string;
  readonly entries: readonly Entry[];
}

interface Role {
  ready(): boolean;
  handle(request: Request, url: URL): Promise<Response>;
  /** Answers whoever waits, and waits for nobody. */
  end(): void;
}

/** A pod to end soon asks its clients to come back by another connection, which leads to another pod. */
let ending = false;

class RequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** The address of a Service, from the variables `NAME_SERVICE_HOST` and `NAME_SERVICE_PORT`. */
function serviceUrl(name: string): string {
  const prefix = `${name.toUpperCase().replaceAll("-", "_")}_SERVICE`;
  const [host, servicePort] = [Deno.env.get(`${prefix}_HOST`), Deno.env.get(`${prefix}_PORT`)];
  if (host !== undefined && servicePort !== undefined) return `http://${host}:${servicePort}`;
  console.error(`${prefix}_HOST and ${prefix}_PORT are not set: create the Service ${name} before this pod`);
  Deno.exit(1);
}

/** A connection for each request, so that the proxy chooses an endpoint for each. */
const http = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });

/** Asks a Service; what did not work is tried again, so `init` must be safe to repeat. */
async function ask(url: string, init: RequestInit = {}, timeoutMs = requestTimeoutMs): Promise<Response> {
  for (let tries = 1;; tries++) {
    try {
      const signal = AbortSignal.timeout(timeoutMs);
      const options: RequestInit & { client: Deno.HttpClient } = { ...init, client: http, signal };
      const response = await fetch(url, options);
      if (response.status < 500 || tries === maxTries) return response;
      await response.body?.cancel();
    } catch (error) {
      if (tries === maxTries) throw new RequestError(503, `${url}: ${error instanceof Error ? error.message : error}`);
    }
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

async function textOf(request: Request): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) throw new RequestError(413, `a body may have ${maxBodyBytes} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

/** The entry that a JSON body asks for. */
async function entryOf(request: Request): Promise<{ key: string; text: string }> {
  let body: unknown;
  try {
    body = JSON.parse(await textOf(request));
  } catch (error) {
    if (error instanceof RequestError) throw error;
    throw new RequestError(400, "the body is not JSON");
  }
  const { text, key } = (body ?? {}) as { text?: unknown; key?: unknown }; // looked at in the next lines
  if (typeof text !== "string" || text.trim() === "" || text.length > maxTextLength) {
    throw new RequestError(400, `"text" must be a string of 1 to ${maxTextLength} characters`);
  }
  return { text, key: typeof key === "string" ? key.slice(0, 64) : crypto.randomUUID() };
}

function createLeader(): Role {
  const epoch = crypto.randomUUID();
  let entries: Entry[] = [];
  let lastId = 0;
  const waiting = new Set<() => void>();
  function wakeAll(): void {
    for (const wake of [...waiting]) wake();
  }
  function add(key: string, text: string): Entry {
    const known = entries.find((each) => each.key === key);
    if (known !== undefined) return known;
    const entry = { id: ++lastId, key, text, time: new Date().toISOString() };
    entries = [...entries, entry].slice(-maxEntries);
    wakeAll();
    return entry;
  }
  async function page(url: URL): Promise<Page> {
    const same = url.searchParams.get("epoch") === epoch;
    const after = same ? Number(url.searchParams.get("after") ?? "0") : 0;
    const waitMs = Math.min(longPollMs, Number(url.searchParams.get("waitMs") ?? "0"));
    if (same && after >= lastId && waitMs > 0 && !ending) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(done, waitMs);
        function done(): void {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        }
        waiting.add(done);
      });
    }
    return { epoch, entries: entries.filter((each) => each.id > after) };
  }
  return {
    ready: () => true,
    end: wakeAll,
    async handle(request, url) {
      if (url.pathname !== "/entries") throw new RequestError(404, "not found");
      if (request.method === "GET") return Response.json(await page(url));
      if (request.method !== "POST") throw new RequestError(405, "GET or POST");
      const { key, text } = await entryOf(request);
      return Response.json(add(key, text), { status: 201 });
    },
  };
}

function createFollower(): Role {
  const leader = serviceUrl("guestbook-leader");
  let copy: Page | null = null;
  async function replicate(): Promise<void> {
    const query = new URLSearchParams({ waitMs: String(longPollMs) });
    if (copy !== null) {
      query.set("epoch", copy.epoch);
      query.set("after", String(copy.entries.at(-1)?.id ?? 0));
    }
    const response = await ask(`${leader}/entries?${query}`, {}, longPollMs + requestTimeoutMs);
    if (!response.ok) throw new Error(`${leader}: ${response.status} ${await response.text()}`);
    const { epoch, entries } = await response.json() as Page; // our own leader's
    if (copy?.epoch !== epoch) console.log(`copied ${entries.length} entries of ${leader}, epoch ${epoch}`);
    const before = copy?.epoch === epoch ? copy.entries : [];
    copy = { epoch, entries: [...before, ...entries].slice(-maxEntries) };
  }
  async function follow(): Promise<void> {
    while (!ending) {
      try {
        await replicate();
      } catch (error) {
        console.error(`not replicated: ${error instanceof Error ? error.message : error}`);
        await new Promise((resolve) => setTimeout(resolve, retryMs));
      }
    }
  }
  void follow();
  return {
    // Old entries are better than none: once it has copied, it stays ready while the leader is away.
    ready: () => copy !== null,
    end() {},
    async handle(request, url) {
      if (url.pathname !== "/entries") throw new RequestError(404, "not found");
      if (request.method !== "GET") throw new RequestError(405, "a follower only reads");
      if (copy === null) throw new RequestError(503, "nothing has been copied from the leader yet");
      return Response.json(copy);
    },
  };
}

function createFrontend(): Role {
  const leader = serviceUrl("guestbook-leader");
  const follower = serviceUrl("guestbook-follower");
  async function passOn(response: Response): Promise<Response> {
    const body = await response.text();
    const headers = { "content-type": "application/json", "x-backend": response.headers.get("x-pod") ?? "" };
    return new Response(body, { status: response.status, headers });
  }
  return {
    // Not that of its backends: without them every frontend would go, and with them the page that says why.
    ready: () => true,
    end() {},
    async handle(request, url) {
      if (url.pathname === "/" && request.method === "GET") {
        const policy = "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline'; style-src 'unsafe-inline'";
        const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": policy };
        return new Response(page, { headers });
      }
      if (url.pathname !== "/api/entries") throw new RequestError(404, "not found");
      if (request.method === "GET") return await passOn(await ask(`${follower}/entries`));
      if (request.method !== "POST") throw new RequestError(405, "GET or POST");
      // With its key the entry may be sent twice and is still added once.
      const body = JSON.stringify(await entryOf(request));
      return await passOn(await ask(`${leader}/entries`, { method: "POST", body }));
    },
  };
}

const page = `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Guestbook</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
form { display: flex; gap: .5rem }
input { flex: 1; font: inherit; padding: .4rem }
button { font: inherit; padding: .4rem 1rem }
li time, #from { color: #666; font-size: .8rem }
</style>
<h1>Guestbook</h1>
<form id="form">
<input id="text" aria-label="Entry" placeholder="Say something" maxlength="${maxTextLength}" required autofocus>
<button>Sign</button>
</form>
<ul id="list" aria-live="polite"></ul>
<p id="from" role="status"></p>
<script>
const by = (id) => document.getElementById(id);
async function load() {
  try {
    const response = await fetch("api/entries", { cache: "no-store" });
    const body = await response.json();
    if (!response.ok) throw new Error(body.error);
    by("list").replaceChildren(...body.entries.slice(-50).reverse().map((entry) => {
      const item = document.createElement("li");
      const time = document.createElement("time");
      time.textContent = " " + new Date(entry.time).toLocaleTimeString();
      item.append(entry.text, time);
      return item;
    }));
    const { headers } = response;
    by("from").textContent = "served by " + headers.get("x-pod") + ", read from " + headers.get("x-backend");
  } catch (error) {
    by("from").textContent = String(error.message);
  }
}
by("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = by("text").value;
  const response = await fetch("api/entries", { method: "POST", body: JSON.stringify({ text }) });
  if (response.ok) by("text").value = "";
  else by("from").textContent = (await response.json()).error;
  await load();
});
setInterval(load, 2000);
load();
</script>
`;

const roles: Readonly<Record<string, () => Role>> = {
  leader: createLeader,
  follower: createFollower,
  frontend: createFrontend,
};
const create = Object.hasOwn(roles, role) ? roles[role] : undefined;
if (create === undefined) {
  console.error(`role "${role}": give "leader", "follower" or "frontend" as the argument or in $ROLE`);
  Deno.exit(1);
}
const self = create();

async function answer(request: Request): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/healthz") return new Response("ok");
  if (url.pathname === "/readyz") {
    return self.ready() ? new Response("ok") : new Response("not ready", { status: 503 });
  }
  try {
    return await self.handle(request, url);
  } catch (error) {
    const status = error instanceof RequestError ? error.status : 500;
    const message = error instanceof Error ? error.message : String(error);
    console.error(`${request.method} ${url.pathname}: ${status} ${message}`);
    return Response.json({ error: message }, { status });
  }
}

const server = Deno.serve({
  hostname,
  port,
  onListen: () => console.log(`${role} ${pod} listens on ${hostname}:${port}`),
}, async (request) => {
  const response = await answer(request);
  response.headers.set("x-pod", pod);
  if (ending) response.headers.set("connection", "close");
  return response;
});

function end(): void {
  if (ending) return;
  ending = true;
  console.log("SIGTERM: ending");
  self.end();
  setTimeout(() => {
    setTimeout(() => Deno.exit(0), drainMs);
    void server.shutdown().then(() => Deno.exit(0));
  }, propagationMs);
}

Deno.addSignalListener("SIGTERM", end);
Deno.addSignalListener("SIGINT", end);
