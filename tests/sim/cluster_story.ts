import type { Deployment, Pod } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { pods } from "../../api/resources.ts";
import { type SimCluster, startSimCluster } from "../../cluster/sim/mod.ts";

export function deployment(name: string, replicas: number): Deployment & KubeObject {
  const labels = { app: name };
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name, namespace: "default" },
    spec: {
      replicas,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: {
          containers: [{ name: "main", image: "sauropod.dev/pause:1", resources: { requests: { cpu: "250m" } } }],
        },
      },
    },
  };
}

export interface StoryReport {
  readonly traceHash: string;
  readonly virtualMs: number;
  /** The pods at the end, with their nodes. */
  readonly placed: readonly string[];
  /** The node that died. */
  readonly lostNode: string;
}

async function podsOf(cluster: SimCluster): Promise<(Pod & KubeObject)[]> {
  return (await cluster.client.list<Pod & KubeObject>(pods, { namespace: "default" })).items;
}

/**
 * A Deployment of three becomes Ready; the store's leader is killed, then an apiserver, then a node that has some of its
 * pods loses power: they are replaced elsewhere and all is Ready again.
 */
export async function runStory(seed: number): Promise<StoryReport> {
  await using cluster = await startSimCluster({ seed });
  const { chaos, clock } = cluster;
  await cluster.apply(deployment("web", 3));
  await cluster.ready("deploy/web", { within: "30s" });

  await chaos.kill({ kind: "store", leader: true });
  await chaos.kill("apiserver-0");
  const lostNode = (await podsOf(cluster))[0]?.spec?.nodeName ?? "";
  await chaos.kill(lostNode, { silent: true });
  await cluster.until(async () => {
    const living = (await podsOf(cluster)).filter((pod) => pod.spec?.nodeName !== lostNode);
    return living.length === 3;
  }, { within: "60s" });
  await cluster.ready("deploy/web", { within: "30s" });
  const placed = (await podsOf(cluster)).map((pod) => `${pod.metadata?.name} on ${pod.spec?.nodeName}`);
  return { traceHash: cluster.traceHash(), virtualMs: clock.nowMs, placed, lostNode };
}
