import { deepEqual, ok } from "node:assert/strict";
import type { DaemonSet, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { daemonSets, pods } from "../../api/resources.ts";
import { type SimCluster, startSimCluster } from "../../cluster/sim/mod.ts";

const first = "sauropod.dev/pause:1";
const second = "sauropod.dev/pause:2";

const set = (image: string): DaemonSet & KubeObject => ({
  apiVersion: "apps/v1",
  kind: "DaemonSet",
  metadata: { name: "log", namespace: "default" },
  spec: {
    selector: { matchLabels: { app: "log" } },
    // One lost node alone would hold a rollout up otherwise, as it does upstream.
    updateStrategy: { rollingUpdate: { maxUnavailable: 2 } },
    template: { metadata: { labels: { app: "log" } }, spec: { containers: [{ name: "main", image }] } },
  },
});

/** `worker image` of each pod. */
async function placed({ client }: SimCluster): Promise<string[]> {
  const { items } = await client.list<Pod & KubeObject>(pods, { namespace: "default" });
  return items.map(({ spec }) => `${spec?.nodeName} ${spec?.containers[0]?.image}`).sort();
}

Deno.test("a simulated cluster rolls a DaemonSet out though its controllers and a worker die meanwhile", async () => {
  for (const seed of [1, 2]) {
    await using cluster = await startSimCluster({ seed });
    const { chaos, client } = cluster;
    const workers = cluster.machines.filter(({ kind }) => kind === "worker").map(({ name }) => name);
    const everywhere = (image: string) => workers.map((name) => `${name} ${image}`).sort();
    await cluster.apply(set(first));
    await cluster.ready("ds/log", { within: "30s" });
    deepEqual(await placed(cluster), everywhere(first), `seed ${seed}`);

    const { spec } = set(second);
    await client.patch(daemonSets, { name: "log", namespace: "default" }, "merge", {
      spec: { template: spec?.template },
    });
    const manager = await chaos.kill({ kind: "controller-manager", leader: true });
    const [lost = ""] = workers;
    await chaos.kill(lost, { silent: true });
    await cluster.until(async () => {
      const there = await placed(cluster);
      return workers.slice(1).every((name) => there.includes(`${name} ${second}`));
    }, { within: "60s" });
    ok((await placed(cluster)).some((each) => each.startsWith(lost)), "daemons are not evicted from a lost node");

    await chaos.restart(lost);
    await chaos.restart(manager);
    await cluster.ready("ds/log", { within: "60s" });
    await cluster.until(async () => (await placed(cluster)).join() === everywhere(second).join(), { within: "30s" });
  }
});
