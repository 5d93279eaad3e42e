/**
 * Question: how long does a replicated, fsynced put of 2 KB take, and how many go through at once?
 * Three member processes on this machine (unix sockets, real disk), one client process, which shares the cores with them.
 * Not measured: TLS, a network, kube-apiserver. Keys: 5,000, chosen by seed 1. Unit: milliseconds; operations a second.
 *
 *     deno run -A bench/store_put.ts [--seconds 3] [--directory /tmp/x]
 *
 * Budget on two cores: serial p50 <= 0.5, p99 <= 1.5; 64 at once >= 12,000/s; linearizable get p50 <= 0.25.
 */
import { utf8 } from "../base/bytes.ts";
import { prng } from "../base/prng.ts";
import { createDenoPlatform } from "../platform/deno/mod.ts";
import { connectStore, startMember, type Store } from "../store/mod.ts";

const ids = ["store-0", "store-1", "store-2"];
const valueBytes = 2_000;
const keyCount = 5_000;

function membersIn(directory: string) {
  return ids.map((id) => ({
    id,
    peerAddress: `unix:${directory}/${id}.peer.sock`,
    clientAddress: `unix:${directory}/${id}.sock`,
  }));
}

async function runMember(id: string, directory: string): Promise<void> {
  const platform = createDenoPlatform({ component: id, logLevel: "warn" });
  const timers = { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 };
  const members = membersIn(directory);
  const member = await startMember(
    { clusterId: "bench", id, members, dataDirectory: `${directory}/${id}`, timers },
    platform,
  );
  Deno.addSignalListener("SIGTERM", () => void member.stop().then(() => Deno.exit(0)));
}

function put(store: Store, key: string, value: Uint8Array): Promise<unknown> {
  return store.txn({ compare: [], success: [{ kind: "put", key: utf8(key), value }], failure: [] });
}

interface Measured {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Keeps `width` calls in flight for `seconds`. */
async function measure(width: number, seconds: number, call: (i: number) => Promise<unknown>): Promise<Measured> {
  const took: number[] = [];
  let next = 0;
  const beganMs = performance.now();
  const endMs = beganMs + seconds * 1_000;
  await Promise.all(Array.from({ length: width }, async () => {
    while (performance.now() < endMs) {
      const startMs = performance.now();
      await call(next++);
      took.push(performance.now() - startMs);
    }
  }));
  const perSecond = Math.round(took.length / (performance.now() - beganMs) * 1_000);
  took.sort((a, b) => a - b);
  const at = (share: number) => Math.round((took[Math.floor(took.length * share)] ?? 0) * 1_000) / 1_000;
  return { perSecond, p50Ms: at(0.5), p99Ms: at(0.99) };
}

/** From the call of a put until a watch on the endpoint listed first has its event. */
async function measureWatch(store: Store, watched: Store, value: Uint8Array, seconds: number): Promise<Measured> {
  let arrived = () => {};
  const key = utf8("watched");
  const created = Promise.withResolvers<void>();
  watched.watch({ key }, {
    onCreated: () => created.resolve(),
    onEvents: () => arrived(),
    onClose: () => {},
  });
  await created.promise;
  return await measure(1, seconds, async () => {
    const event = Promise.withResolvers<void>();
    arrived = event.resolve;
    await Promise.all([put(store, "watched", value), event.promise]);
  });
}

async function residentMegabytes(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`).catch(() => "");
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
}

async function bench(seconds: number, parent: string | undefined): Promise<void> {
  const directory = await Deno.makeTempDir(parent === undefined ? {} : { dir: parent });
  const children = ids.map((id) =>
    new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", import.meta.filename ?? "", "member", id, directory],
      stdin: "null",
      stdout: "null",
    }).spawn()
  );
  const platform = createDenoPlatform({ component: "bench", logLevel: "warn" });
  const clients = ids.map((_, i) => {
    const endpoints = membersIn(directory).map((member) => member.clientAddress);
    return connectStore({ endpoints: [...endpoints.slice(i), ...endpoints.slice(0, i)] }, platform);
  });
  try {
    const store = clients[0];
    if (store === undefined) return;
    const random = prng(1);
    const value = new Uint8Array(valueBytes).map(() => random.int(256));
    const key = () => `/registry/pods/default/pod-${random.int(keyCount)}`;
    for (let tries = 0; tries < 100; tries++) {
      if (await put(store, key(), value).then(() => true, () => false)) break;
    }
    const { leaderId } = await store.status();
    const leader = ids.indexOf(leaderId);
    await measure(16, 1, () => put(store, key(), value));
    const results: Record<string, unknown> = {};
    for (const width of [1, 16, 64, 256]) {
      results[`put x${width}`] = await measure(width, seconds, () => put(store, key(), value));
    }
    const read = (serializable: boolean) => store.range({ key: utf8(key()), serializable });
    results["get linearizable"] = await measure(1, seconds, () => read(false));
    results["get serializable"] = await measure(1, seconds, () => read(true));
    results["get linearizable x64"] = await measure(64, seconds, () => read(false));
    const onLeader = clients[leader] ?? store;
    const onFollower = clients[(leader + 1) % 3] ?? store;
    results["put to watch, leader"] = await measureWatch(store, onLeader, value, seconds);
    results["put to watch, follower"] = await measureWatch(store, onFollower, value, seconds);
    const status = await store.status();
    const residentMb = await Promise.all(children.map((child) => residentMegabytes(child.pid)));
    const machine = { deno: Deno.version.deno, cores: navigator.hardwareConcurrency };
    console.log(JSON.stringify({ ...machine, valueBytes, revision: status.revision, residentMb, results }, null, 2));
  } finally {
    for (const client of clients) client.close();
    for (const child of children) child.kill("SIGTERM");
    await Promise.all(children.map((child) => child.status));
    await Deno.remove(directory, { recursive: true });
  }
}

function option(name: string): string | undefined {
  const at = Deno.args.indexOf(name);
  return at === -1 ? undefined : Deno.args[at + 1];
}

if (Deno.args[0] === "member") await runMember(Deno.args[1] ?? "", Deno.args[2] ?? "");
else await bench(Number(option("--seconds") ?? 3), option("--directory"));
