import process from "node:process";
import { readFileSync } from "node:fs";
import type { KubeObject } from "../../../api/meta.ts";
import { configMaps } from "../../../api/resources.ts";
import {
  createInformer,
  createRestClient,
  createTransport,
  createWorkQueue,
  isConflict,
  isNotFound,
  runLeaderElection,
  runWorkers,
} from "../../../client/mod.ts";
import { createNodePlatform } from "../../../platform/node/mod.ts";

/** A small controller on the client of this project, for Node: bundled, then run against an apiserver. */
interface ConfigMap extends KubeObject {
  data?: Record<string, string>;
}

const { url, tls } = JSON.parse(readFileSync(process.argv[2] ?? "", "utf8")); // written by the test
const platform = createNodePlatform({ component: "node-client", logLevel: "warn" });
const transport = createTransport({ endpoints: [url], tls }, platform);
const client = createRestClient(transport, { userAgent: "node-client", encoding: "json" });

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function failure(call: Promise<unknown>): Promise<unknown> {
  return await call.then(() => null, (error) => error);
}

async function objects(): Promise<void> {
  const named = { name: "a", namespace: "default" };
  const made = await client.create<ConfigMap>(configMaps, { metadata: named, data: { k: "1" } });
  const changed = await client.update<ConfigMap>(configMaps, { ...made, data: { k: "2" } });
  check(changed.data?.["k"] === "2", "updated");
  check(isConflict(await failure(client.update<ConfigMap>(configMaps, made))), "a stale update is a conflict");
  const patched = await client.patch<ConfigMap>(configMaps, named, "merge", { data: { m: "3" } });
  check(patched.data?.["m"] === "3", "patched");
  check((await client.list<ConfigMap>(configMaps, { namespace: "default" })).items.length === 1, "listed");
  await client.delete(configMaps, "a", "default");
  check(isNotFound(await failure(client.get(configMaps, "a", "default"))), "deleted");
  console.log("ok objects");
}

/** Leads, then reconciles each object that the informer tells of once. */
async function controller(): Promise<void> {
  const leading = Promise.withResolvers<AbortSignal>();
  const election = runLeaderElection({
    namespace: "default",
    name: "node-client",
    identity: "one",
    leaseDurationMs: 3000,
    renewDeadlineMs: 2000,
    retryPeriodMs: 300,
    onStartedLeading: leading.resolve,
  }, { client, ...platform });
  check(!(await leading.promise).aborted, "leadership is ours");
  console.log("ok leads");
  const informer = createInformer<ConfigMap>(client, configMaps, { namespace: "default" }, platform);
  const queue = createWorkQueue<string>(platform);
  informer.subscribe({ added: (object) => queue.add(object.metadata?.name ?? "") });
  informer.start();
  await informer.synced;
  const done = new Set<string>();
  const all = Promise.withResolvers<void>();
  const work = async (name: string) => {
    await client.patch(configMaps, { name, namespace: "default" }, "merge", { data: { seen: "yes" } });
    done.add(name);
    if (done.size === 20) all.resolve();
  };
  const workers = runWorkers(queue, 2, work, platform.log);
  for (let i = 0; i < 20; i++) {
    await client.create<ConfigMap>(configMaps, { metadata: { name: `c${i}`, namespace: "default" } });
  }
  await all.promise;
  console.log("ok reconciles");
  queue.shutdown();
  await workers;
  informer.stop();
  await election.stop();
}

await objects();
await controller();
transport.close();
console.log("done");
