import { configMaps, pathOf, pods } from "../../api/resources.ts";
import { utf8 } from "../../base/bytes.ts";
import type { Transport } from "../../client/mod.ts";
import { inParallel } from "../workers.ts";

/** What the steps are driven against: live apiservers, or one in this process in a test. */
export interface ApiTarget {
  /** One an apiserver. */
  readonly transports: readonly Transport[];
  /** CPU seconds so far of all apiservers and of the first alone. */
  cpu(): Promise<{ readonly all: number; readonly first: number }>;
}

export interface StepResult {
  readonly figures: Readonly<Record<string, number>>;
  readonly samplesMs: readonly number[];
}

const headers = { "content-type": "application/json", accept: "application/json", "user-agent": "sauropod-bench" };
const namespace = "default";
/** Of the annotation that brings each object to about 2,000 bytes as it is served. */
const podPadding = "x".repeat(300);
const configMapPadding = "x".repeat(1_750);

/** No scheduler looks at it. */
function podBody(name: string): Uint8Array {
  return utf8(JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, annotations: { "sauropod.dev/padding": podPadding } },
    spec: {
      schedulerName: "nobody",
      containers: [{
        name: "pause",
        image: "sauropod.dev/pause:1",
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: "100m", memory: "500Mi" }, requests: { cpu: "100m", memory: "500Mi" } },
      }],
    },
  }));
}

async function send(transport: Transport | undefined, method: string, path: string, body: Uint8Array): Promise<void> {
  if (transport === undefined) throw new Error("No apiserver");
  const response = await transport(path, { method, headers, body });
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${await response.text()}`);
  await response.body?.cancel();
}

/** `count` pods, by `clients` loops. @param prefix of their names */
export async function createPods(
  target: ApiTarget,
  { count, clients, prefix }: { readonly count: number; readonly clients: number; readonly prefix: string },
): Promise<StepResult> {
  const path = pathOf(pods, namespace);
  const samplesMs: number[] = [];
  const before = await target.cpu();
  const startedAt = performance.now();
  await inParallel(count, clients, async (i) => {
    const sentAt = performance.now();
    await send(target.transports[i % target.transports.length], "POST", path, podBody(`${prefix}-${i}`));
    samplesMs.push(performance.now() - sentAt);
  });
  const elapsedMs = performance.now() - startedAt;
  const after = await target.cpu();
  return {
    samplesMs,
    figures: { perSecond: count / elapsedMs * 1_000, cpuUsPerCall: (after.all - before.all) / count * 1e6 },
  };
}

/** The whole list of pods, `times` times, from the first apiserver. Samples: until the first byte of the body. */
export async function listPods(target: ApiTarget, times: number): Promise<StepResult> {
  const transport = target.transports[0];
  if (transport === undefined) throw new Error("No apiserver");
  const samplesMs: number[] = [];
  let bytes = 0;
  const before = await target.cpu();
  const startedAt = performance.now();
  for (let i = 0; i < times; i++) {
    const sentAt = performance.now();
    const response = await transport(pathOf(pods, namespace), { method: "GET", headers, stream: true });
    let first = true;
    for await (const chunk of response.body ?? []) {
      if (first) samplesMs.push(performance.now() - sentAt);
      first = false;
      bytes += chunk.length;
    }
  }
  const elapsedMs = performance.now() - startedAt;
  const after = await target.cpu();
  const megabytes = bytes / 1e6;
  return {
    samplesMs,
    figures: {
      megabytes: megabytes / times,
      megabytesPerSecond: megabytes / elapsedMs * 1_000,
      megabytesPerCpuSecond: megabytes / Math.max(after.first - before.first, 0.005),
    },
  };
}

export interface Fanout {
  readonly watchers: number;
  readonly events: number;
  readonly clients: number;
  /** Called when all watches are open, and nothing has happened on them for a while. */
  readonly opened?: () => Promise<void>;
}

/**
 * `watchers` watches of ConfigMaps on the first apiserver, then `events` new ones of 2 KB by `clients` loops through it.
 * Deliveries are counted by their line ends. Samples: from the call of a write until the last watcher has all of them.
 */
export async function fanOut(target: ApiTarget, { watchers, events, clients, opened }: Fanout): Promise<StepResult> {
  const transport = target.transports[0];
  if (transport === undefined) throw new Error("No apiserver");
  const path = pathOf(configMaps, namespace);
  const stop = new AbortController();
  const listed = await transport(`${path}?limit=1`, { method: "GET", headers });
  const { metadata } = await listed.json() as { metadata: { resourceVersion: string } };
  const query = `?watch=true&resourceVersion=${metadata.resourceVersion}`;
  const bodies = await Promise.all(Array.from({ length: watchers }, async () => {
    const init = { method: "GET", headers, stream: true, signal: stop.signal };
    const { body, status } = await transport(path + query, init);
    if (body === null || status !== 200) throw new Error(`A watch was answered ${status}`);
    return body;
  }));
  const all = bodies.map((body) => countLines(body, events));
  await opened?.();
  const before = await target.cpu();
  const startedAt = performance.now();
  const data = { padding: configMapPadding };
  const mark = crypto.randomUUID().slice(0, 8);
  await inParallel(events, clients, async (i) => {
    const meta = { name: `fan-${mark}-${i}`, namespace };
    const body = utf8(JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: meta, data }));
    await send(transport, "POST", path, body);
  });
  const chunks = (await Promise.all(all)).reduce((sum, each) => sum + each, 0);
  const elapsedMs = performance.now() - startedAt;
  const after = await target.cpu();
  stop.abort();
  const deliveries = watchers * events;
  return {
    samplesMs: [elapsedMs],
    figures: {
      perSecond: deliveries / elapsedMs * 1_000,
      cpuUsPerDelivery: (after.first - before.first) / deliveries * 1e6,
      eventsPerChunk: deliveries / chunks,
    },
  };
}

/** Reads until `count` lines have ended; returns how many chunks they came in. */
async function countLines(body: ReadableStream<Uint8Array>, count: number): Promise<number> {
  const reader = body.getReader();
  let chunks = 0;
  for (let seen = 0; seen < count;) {
    const { done, value } = await reader.read();
    if (done) throw new Error(`A watch ended after ${seen} of ${count} events`);
    chunks++;
    for (let at = value.indexOf(10); at >= 0; at = value.indexOf(10, at + 1)) seen++;
  }
  reader.cancel().catch(() => {});
  return chunks;
}
