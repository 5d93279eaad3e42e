import type { KubeObject } from "../../api/meta.ts";
import { configMaps, leases, namespaces, nodes } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { createRestClient, createTransport, isNotFound, type LeaseObject } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Platform } from "../../platform/mod.ts";
import { dataDirectory, layout } from "../home.ts";
import { apiServerUrls } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { apiRegisters } from "./api_registers.ts";
import { Breaker, type Election, type Scenario } from "./faults.ts";
import * as limits from "./limits.ts";
import { startProbes } from "./probes.ts";
import type { Subject } from "./subject.ts";
import { watchConfigMaps } from "./watchers.ts";

/** Where schedulers and controller managers agree on who leads. */
const electionLeases: Readonly<Partial<Record<Scenario, string>>> = {
  "scheduler-kill": "kube-scheduler",
  "controller-kill": "kube-controller-manager",
};

/** A cluster as its users see it: ConfigMaps written and watched through all apiservers. */
export function apiSubject(spec: ClusterSpec, platform: Platform): Subject {
  const { clock, timers, random } = platform;
  const namespace = `chaos-${random.uuid().slice(0, 8)}`;
  const { clients, pinned, admin, close } = connect(spec, platform);
  const breaker = new Breaker(spec, platform);
  return {
    title: "sauropod, through the API",
    timers: spec.timers,
    clients: clients.map((client) => apiRegisters(client, namespace)),
    awaitRecovery: () => breaker.awaitRecovery(),
    async watchers() {
      await admin.create<KubeObject>(namespaces, { metadata: { name: namespace } });
      const from = (await admin.list(configMaps, { namespace })).metadata.resourceVersion ?? "";
      return pinned.map((client) => ({ from, ...watchConfigMaps(client, namespace) }));
    },
    inject: (scenario, draw, signal) => breaker.inject(scenario, electionOf(scenario, admin), draw, signal),
    async probes(scenario) {
      if (electionLeases[scenario] === undefined) return null;
      const kind = scenario === "scheduler-kill" ? "bind" : "reconcile";
      return await startProbes({ kind, namespace, nodeName: namespace }, { client: admin, clock, timers });
    },
    // An apiserver's watch cache keeps a window, and a watch over three of them is what the judges have already.
    replay: () => Promise.resolve(null),
    async close() {
      await breaker.healAll();
      await cleanUp(namespace, admin, platform);
      close();
    },
  };
}

function electionOf(scenario: Scenario, client: RestClient): Election | null {
  const name = electionLeases[scenario];
  if (name === undefined) return null;
  const read = async () => (await client.get<LeaseObject>(leases, name, "kube-system").catch(() => null))?.spec;
  return {
    holder: async () => (await read())?.holderIdentity ?? "",
    async successor(sinceWall) {
      const spec = await read();
      return (parseTime(spec?.renewTime ?? "") ?? 0) > sinceWall ? spec?.holderIdentity ?? "" : "";
    },
  };
}

/**
 * Clients over all apiservers: `clients` begin on different ones and fail over; `pinned` likewise, for watchers; `admin`
 * for everything else.
 */
function connect(spec: ClusterSpec, platform: Platform) {
  const read = (file: string) => Deno.readTextFileSync(`${dataDirectory(spec.name)}/${layout.pki}/${file}`);
  const tls = { ca: read("ca.crt"), cert: read("admin.crt"), key: read("admin.key") };
  const urls = apiServerUrls(spec);
  const options = { tls, requestTimeoutMs: limits.requestTimeoutMs };
  const rotated = (i: number) => [...urls.slice(i), ...urls.slice(0, i)];
  // Each begins at the first of its list, rather than at a random one.
  const first = { ...platform, random: { next: () => platform.random.next(), int: () => 0 } };
  const transports = [...urls, ...urls, ""].map((_, i) => {
    return createTransport({ ...options, endpoints: rotated(i % urls.length) }, first);
  });
  const clients: RestClient[] = transports.map((transport) =>
    createRestClient(transport, { encoding: "json", userAgent: "sauropod-chaos" })
  );
  const admin = clients.pop();
  if (admin === undefined) throw new Error("unreachable: there is always one transport");
  return {
    clients: clients.slice(0, urls.length),
    pinned: clients.slice(urls.length),
    admin,
    close: () => transports.forEach((transport) => transport.close()),
  };
}

/** Removes the experiment's objects; waits until the namespace is gone. Never throws: there may be nothing to remove. */
async function cleanUp(namespace: string, client: RestClient, platform: Platform): Promise<void> {
  await client.delete(nodes, namespace).catch(() => {});
  await client.delete(namespaces, namespace).catch(() => {});
  const deadline = performance.now() + limits.cleanUpMs;
  while (performance.now() < deadline) {
    const gone = await client.get(namespaces, namespace).then(() => false, isNotFound);
    if (gone) return;
    await platform.timers.sleep(50);
  }
}
