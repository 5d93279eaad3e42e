import { configMaps, pathOf } from "../../api/resources.ts";
import { utf8 } from "../../base/bytes.ts";
import { createInformer, createRestClient, createTransport, type Transport } from "../../client/mod.ts";
import { apiServerUrls } from "../../cluster/plan.ts";
import type { LiveCluster } from "../live_cluster.ts";
import type { StepResult } from "./steps.ts";

const settleMs = 1_000;
const backTimeoutMs = 30_000;
const askEveryMs = 2;

/**
 * SIGKILL of the apiserver that a client talks to, `kills` times; the supervisor brings it back. Samples: how long the
 * client went without an answer around each kill. An informer runs beside it: it must go on where it was, by watch.
 */
export async function killApiServers(cluster: LiveCluster, kills: number): Promise<StepResult> {
  const samplesMs: number[] = [];
  let relists = 0;
  for (let i = 0; i < kills; i++) {
    const name = `apiserver-${i % cluster.spec.controlPlanes}`;
    await using client = startClient(cluster, i % cluster.spec.controlPlanes);
    await client.synced;
    const before = client.lists();
    const pid = (await cluster.pids()).get(name);
    if (pid === undefined) throw new Error(`${name} does not run`);
    client.reset();
    Deno.kill(pid, "SIGKILL");
    await backUp(cluster, name, pid);
    samplesMs.push(client.longestGapMs());
    await client.sees(`gap-${crypto.randomUUID().slice(0, 8)}`);
    relists += client.lists() - before;
  }
  return { samplesMs, figures: { longestGapMs: Math.max(...samplesMs), relists } };
}

interface Client extends AsyncDisposable {
  readonly synced: Promise<void>;
  /** Lists that the informer has asked for. */
  lists(): number;
  reset(): void;
  longestGapMs(): number;
  /** Creates an object and waits until the informer shows it. */
  sees(name: string): Promise<void>;
}

/** A client that asks all the time, with an informer. Its endpoints begin with the apiserver of that number. */
function startClient(cluster: LiveCluster, first: number): Client {
  const { ca, cert, key } = cluster.tls;
  const urls = apiServerUrls(cluster.spec);
  const endpoints = [...urls.slice(first), ...urls.slice(0, first)];
  // It begins with the first one.
  const random = { ...cluster.platform.random, int: () => 0, next: () => 0.5 };
  const transport = createTransport({ endpoints, tls: { ca, cert, key } }, { ...cluster.platform, random });
  let lists = 0;
  const counting: Transport = (path, init) => {
    if (!/[?&]watch=true/.test(path)) lists++;
    else if (/[?&]sendInitialEvents=true/.test(path)) lists++;
    return transport(path, init);
  };
  const rest = createRestClient(counting, { encoding: "json", userAgent: "sauropod-bench" });
  const informer = createInformer(rest, configMaps, { namespace: "default" }, cluster.platform);
  const waiting = new Map<string, () => void>();
  informer.subscribe({ added: ({ metadata }) => waiting.get(metadata?.name ?? "")?.() });
  informer.start();
  const headers = { accept: "application/json", "content-type": "application/json" };
  const path = pathOf(configMaps, "kube-system", "extension-apiserver-authentication");
  let answeredAt = performance.now();
  let longest = 0;
  let stopped = false;
  const asking = (async () => {
    while (!stopped) {
      const response = await transport(path, { method: "GET", headers }).catch(() => null);
      if (response !== null && response.status < 500) {
        const now = performance.now();
        longest = Math.max(longest, now - answeredAt);
        answeredAt = now;
      }
      await new Promise((resolve) => setTimeout(resolve, askEveryMs));
    }
  })();
  return {
    synced: informer.synced,
    lists: () => lists,
    reset: () => {
      longest = 0;
    },
    longestGapMs: () => longest,
    async sees(name) {
      const seen = new Promise<void>((resolve) => void waiting.set(name, resolve));
      const body = utf8(JSON.stringify({ apiVersion: "v1", kind: "ConfigMap", metadata: { name } }));
      const response = await transport(pathOf(configMaps, "default"), { method: "POST", headers, body });
      if (!response.ok) throw new Error(`POST: ${response.status} ${await response.text()}`);
      await seen;
    },
    async [Symbol.asyncDispose]() {
      stopped = true;
      informer.stop();
      await asking;
      transport.close();
    },
  };
}

async function backUp(cluster: LiveCluster, name: string, oldPid: number): Promise<void> {
  const deadline = performance.now() + backTimeoutMs;
  while (performance.now() < deadline) {
    const pid = (await cluster.pids()).get(name);
    if (pid !== undefined && pid !== oldPid && await cluster.isReady(name)) {
      return void await new Promise((resolve) => setTimeout(resolve, settleMs));
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${name} did not come back`);
}
