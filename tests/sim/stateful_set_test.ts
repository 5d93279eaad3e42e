import { deepEqual, equal } from "node:assert/strict";
import type { Pod, StatefulSet } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { pods, statefulSets } from "../../api/resources.ts";
import { type SimCluster, startSimCluster } from "../../cluster/sim/mod.ts";

const first = "sauropod.dev/pause:1";
const second = "sauropod.dev/pause:2";

const set = (image: string): StatefulSet & KubeObject => ({
  apiVersion: "apps/v1",
  kind: "StatefulSet",
  metadata: { name: "web", namespace: "default" },
  spec: {
    replicas: 3,
    selector: { matchLabels: { app: "web" } },
    template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "main", image }] } },
  },
});

async function podsOf({ client }: SimCluster): Promise<(Pod & KubeObject)[]> {
  const { items } = await client.list<Pod & KubeObject>(pods, { namespace: "default" });
  return items;
}

const imageOf = (pod: Pod) => `${pod.metadata?.name} ${pod.spec?.containers[0]?.image}`;

Deno.test("a simulated cluster rolls a StatefulSet out though its controllers die, and makes no second web-0 of a lost one", async () => {
  for (const seed of [1, 2]) {
    await using cluster = await startSimCluster({ seed });
    const { chaos, client } = cluster;
    await cluster.apply(set(first));
    await cluster.ready("sts/web", { within: "60s" });

    const { spec } = set(second);
    await client.patch(statefulSets, { name: "web", namespace: "default" }, "merge", {
      spec: { template: spec?.template },
    });
    const manager = await chaos.kill({ kind: "controller-manager", leader: true });
    await cluster.ready("sts/web", { within: "90s" });
    await chaos.restart(manager);
    deepEqual((await podsOf(cluster)).map(imageOf).sort(), [0, 1, 2].map((n) => `web-${n} ${second}`), `seed ${seed}`);

    // Its node may be cut off and still run it: only who knows better may remove it there.
    const before = (await podsOf(cluster)).find((pod) => pod.metadata?.name === "web-0");
    const lost = before?.spec?.nodeName ?? "";
    await chaos.kill(lost, { silent: true });
    const now = async () => (await podsOf(cluster)).find((pod) => pod.metadata?.name === "web-0");
    await cluster.until(async () => (await now())?.metadata?.deletionTimestamp !== undefined, { within: "10m" });
    await cluster.clock.advance("30s");
    equal((await now())?.metadata?.uid, before?.metadata?.uid, `seed ${seed}: it waits`);
    await chaos.restart(lost);
    await cluster.until(async () => {
      const uid = (await now())?.metadata?.uid;
      return uid !== undefined && uid !== before?.metadata?.uid;
    }, { within: "2m" });
    await cluster.ready("sts/web", { within: "60s" });
  }
});
