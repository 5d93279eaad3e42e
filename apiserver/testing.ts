import type {
  CallHttps,
  Certificates,
  Ciphers,
  Clock,
  HttpClient,
  Log,
  Metrics,
  PeerIdentity,
  PostHttps,
  Random,
  RequestContext,
  UpgradeHttps,
} from "../platform/mod.ts";
import type { Timer, Timers } from "../platform/mod.ts";
import type { Tracer } from "../platform/tracing/mod.ts";
import { createLocalStore, type LocalStore } from "../store/mod.ts";
import { prng } from "../base/prng.ts";
import type { DialHttps } from "./authn/jwt.ts";
import { type ApiServer, createApiServer } from "./server.ts";
import type { ServerConfig } from "./config.ts";

/** For tests of this room only: a server over an in-memory store on a virtual clock, and short ways to talk to it. */
export interface TestServer extends AsyncDisposable {
  readonly server: ApiServer;
  readonly store: LocalStore;
  readonly time: VirtualTime;
  get(path: string, options?: CallOptions): Promise<Answer>;
  post(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  put(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  patch(path: string, body: unknown, options?: CallOptions): Promise<Answer>;
  delete(path: string, body?: unknown, options?: CallOptions): Promise<Answer>;
  raw(method: string, path: string, options?: CallOptions): Promise<Response>;
  /** With a body that comes as the test lets it. */
  rawBody(method: string, path: string, body: ReadableStream<Uint8Array>, options?: CallOptions): Promise<Response>;
  watch(path: string, options?: CallOptions): Promise<TestWatch>;
}

export interface CallOptions {
  readonly as?: PeerIdentity | null;
  /** As a client of the front proxy's authority. */
  readonly proxy?: PeerIdentity;
  readonly headers?: Readonly<Record<string, string>> | readonly [string, string][];
  readonly body?: Uint8Array | string;
  readonly upgrade?: RequestContext["upgradeWebSocket"];
  readonly upgradeBytes?: NonNullable<RequestContext["upgradeBytes"]>;
}

// deno-lint-ignore no-explicit-any -- assertions look into answers of every shape
export type Loose = any;

export interface Answer {
  readonly code: number;
  readonly headers: Headers;
  readonly body: Loose;
}

export const admin: PeerIdentity = { commonName: "kubernetes-admin", organizations: ["system:masters"] };

export interface StartOptions {
  readonly config?: Partial<ServerConfig>;
  readonly store?: LocalStore;
  readonly time?: VirtualTime;
  readonly kubelets?: HttpClient;
  readonly postHttps?: PostHttps;
  readonly callHttps?: CallHttps;
  readonly upgradeHttps?: UpgradeHttps;
  readonly certificates?: Certificates;
  readonly ciphers?: Ciphers;
  readonly metrics?: Metrics;
  readonly dialHttps?: DialHttps;
  readonly tracer?: Tracer;
  readonly seed?: number;
}

export async function start(options: StartOptions = {}): Promise<TestServer> {
  const time = options.time ?? new VirtualTime();
  const random = testRandom(options.seed ?? 1);
  const own = options.store === undefined;
  const store = options.store ?? createLocalStore({ clock: time, timers: time, random });
  const keys = await serviceAccountKeys();
  const server = createApiServer({
    name: "test-0",
    serviceAccount: { ...keys, issuer: "https://kubernetes.default.svc.cluster.local" },
    serviceCidr: "10.96.0.0/24",
    allowLoopbackEndpoints: true,
    advertise: { address: "127.0.0.9", port: 6443 },
    ...options.config,
    // A watch's next change does not wait for the clock to be moved.
    timers: { watchFlushMs: 0, ...options.config?.timers },
  }, {
    store,
    clock: time,
    timers: time,
    random,
    log: quiet,
    metrics: options.metrics ?? noMetrics,
    ...(options.postHttps === undefined ? {} : { postHttps: options.postHttps }),
    ...(options.callHttps === undefined ? {} : { callHttps: options.callHttps }),
    ...(options.upgradeHttps === undefined ? {} : { upgradeHttps: options.upgradeHttps }),
    ...(options.certificates === undefined ? {} : { certificates: options.certificates }),
    ...(options.ciphers === undefined ? {} : { ciphers: options.ciphers }),
    ...(options.tracer === undefined ? {} : { tracer: options.tracer }),
    ...(options.dialHttps === undefined ? {} : { dialHttps: options.dialHttps }),
    ...(options.kubelets === undefined ? {} : { kubelets: options.kubelets }),
  });
  await server.ready;
  const raw = (method: string, path: string, call: CallOptions = {}) => {
    const { body } = call;
    const request = new Request(`https://test${path}`, {
      method,
      headers: linesOf(call.headers),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }),
    });
    return handle(request, call);
  };
  const handle = (request: Request, call: CallOptions) =>
    server.handle(request, {
      peer: call.as === undefined ? admin : call.as,
      ...(call.proxy === undefined ? {} : { proxyPeer: call.proxy }),
      ...(call.upgradeBytes === undefined ? {} : { upgradeBytes: call.upgradeBytes }),
      remoteAddress: "127.0.0.1",
      upgradeWebSocket: call.upgrade ?? (() => {
        throw new Error("this test upgrades nothing");
      }),
    });
  const send = async (method: string, path: string, body: unknown, type: string, call: CallOptions = {}) => {
    const response = await raw(method, path, {
      ...call,
      headers: body === undefined ? linesOf(call.headers) : withType(type, call.headers),
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    return await answerOf(response);
  };
  const json = "application/json";
  return {
    server,
    store,
    time,
    raw,
    rawBody: (method, path, body, call = {}) => {
      const headers = withType("application/json", call.headers);
      return handle(new Request(`https://test${path}`, { method, headers, body }), call);
    },
    get: (path, call) => send("GET", path, undefined, json, call),
    post: (path, body, call) => send("POST", path, body, json, call),
    put: (path, body, call) => send("PUT", path, body, json, call),
    patch: (path, body, call) => send("PATCH", path, body, "application/merge-patch+json", call),
    delete: (path, body, call) => send("DELETE", path, body, json, call),
    watch: async (path, call) => new TestWatch(await raw("GET", path, call)),
    [Symbol.asyncDispose]: async () => {
      await server.stop();
      if (own) store.close();
    },
  };
}

function linesOf(headers: CallOptions["headers"] = {}): [string, string][] {
  return Array.isArray(headers) ? [...headers] : Object.entries(headers);
}

function withType(type: string, headers: CallOptions["headers"]): [string, string][] {
  const lines = linesOf(headers);
  return lines.some(([name]) => name.toLowerCase() === "content-type") ? lines : [["content-type", type], ...lines];
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  let body: Loose = text;
  try {
    body = JSON.parse(text);
  } catch {
    // Not JSON: the text itself.
  }
  return { code: response.status, headers: response.headers, body };
}

/** Reads a JSON watch line by line. */
export class TestWatch {
  readonly response: Response;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #text = "";

  constructor(response: Response) {
    this.response = response;
    this.#reader = response.body?.getReader();
  }

  /** The next event; null at the end. */
  async next(): Promise<Loose> {
    for (;;) {
      const end = this.#text.indexOf("\n");
      if (end >= 0) {
        const line = this.#text.slice(0, end);
        this.#text = this.#text.slice(end + 1);
        return JSON.parse(line);
      }
      const chunk = await this.#reader?.read();
      if (chunk === undefined || chunk.done) return null;
      this.#text += new TextDecoder().decode(chunk.value);
    }
  }

  /** `TYPE name` of the next `count` events. */
  async names(count: number): Promise<string[]> {
    const names: string[] = [];
    for (let i = 0; i < count; i++) {
      const event = await this.next();
      names.push(event === null ? "end" : `${event.type} ${event.object.metadata?.name ?? ""}`.trim());
    }
    return names;
  }

  async cancel(): Promise<void> {
    await this.#reader?.cancel();
  }
}

/** A clock that moves only when told to. */
export class VirtualTime implements Clock, Timers {
  #now = Date.parse("2026-01-01T00:00:00Z");
  #elapsed = 0;
  #id = 0;
  readonly #tasks = new Map<number, { at: number; fn: () => void }>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#elapsed;
  }

  schedule(delayMs: number, fn: () => void): Timer {
    const id = ++this.#id;
    this.#tasks.set(id, { at: this.#elapsed + Math.max(0, delayMs), fn });
    return { cancel: () => void this.#tasks.delete(id) };
  }

  sleep(delayMs: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = this.schedule(delayMs, resolve);
      signal?.addEventListener("abort", () => {
        timer.cancel();
        reject(signal.reason);
      });
    });
  }

  get pending(): number {
    return this.#tasks.size;
  }

  /** Runs what falls due in the next `ms`, in order, with everything that it sets off. */
  async advance(ms: number): Promise<void> {
    const end = this.#elapsed + ms;
    for (;;) {
      await settle();
      const due = [...this.#tasks].filter(([, task]) => task.at <= end)
        .sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (due === undefined) break;
      this.#tasks.delete(due[0]);
      const step = Math.max(0, due[1].at - this.#elapsed);
      this.#elapsed += step;
      this.#now += step;
      due[1].fn();
    }
    this.#now += end - this.#elapsed;
    this.#elapsed = end;
    await settle();
  }
}

/** Lets promises that are already resolvable resolve. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 50; i++) await Promise.resolve();
}

/** Asks again until the answer is as wanted: what the server does by itself takes turns of the event loop, not time. */
export async function until(ask: () => Promise<Answer>, wanted: (answer: Answer) => boolean): Promise<Answer> {
  let answer = await ask();
  for (let turn = 0; turn < 500 && !wanted(answer); turn++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    await settle();
    answer = await ask();
  }
  if (!wanted(answer)) throw new Error(`still not as wanted: ${answer.code} ${JSON.stringify(answer.body)}`);
  return answer;
}

export function testRandom(seed: number): Random {
  const generator = prng(seed);
  const bytes = (length: number) => Uint8Array.from({ length }, () => generator.int(256));
  return {
    next: () => generator.next(),
    int: (bound) => generator.int(bound),
    bytes,
    uuid: () => {
      const hex = [...bytes(16)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      return [hex.slice(0, 8), hex.slice(8, 12), `4${hex.slice(13, 16)}`, `8${hex.slice(17, 20)}`, hex.slice(20)]
        .join("-");
    },
  };
}

export const quiet: Log = {
  debug() {},
  info() {},
  warn() {},
  error: (message, fields) => void (message.startsWith("A request failed") && console.error(message, fields)),
  with: () => quiet,
};

const nothing = { add() {}, set() {}, observe() {}, clear() {}, with: () => nothing };
const noMetrics: Metrics = {
  counter: () => nothing,
  counterView: () => nothing,
  gauge: () => nothing,
  histogram: () => nothing,
  onCollect() {},
  text: () => "",
};

let keys: Promise<{ privateKeyPem: string; publicKeyPem: string }> | undefined;

function serviceAccountKeys() {
  keys ??= makeKeys();
  return keys;
}

async function makeKeys() {
  const pair = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign", "verify"]);
  const pem = (label: string, der: ArrayBuffer) => {
    const base64 = btoa(String.fromCharCode(...new Uint8Array(der)));
    return `-----BEGIN ${label}-----\n${base64}\n-----END ${label}-----\n`;
  };
  return {
    privateKeyPem: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)),
    publicKeyPem: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)),
  };
}
