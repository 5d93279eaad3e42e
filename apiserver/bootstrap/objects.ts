import { namespaces, services } from "../../api/resources.ts";
import { ApiError } from "../../api/status.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { User } from "../authn/user.ts";
import type { Registry } from "../registry/context.ts";
import { addressAt } from "../registry/cidr.ts";
import { create } from "../registry/create.ts";

const systemNamespaces = ["default", "kube-system", "kube-public", "kube-node-lease"] as const;

/** Who the server is to itself. */
export const loopbackUser: User = { name: "system:apiserver", uid: "", groups: ["system:masters"] };

/** Makes what every cluster has; safe to run on every apiserver at every start. */
export async function createBootstrapObjects(registry: Registry): Promise<void> {
  for (const name of systemNamespaces) {
    await createIfMissing(registry, namespaces, "", { apiVersion: "v1", kind: "Namespace", metadata: { name } });
  }
  await createIfMissing(registry, services, "default", kubernetesService(registry));
}

/** The Service under which pods find the apiservers: the first address of the range, without a selector. */
function kubernetesService(registry: Registry): KubeObject {
  const address = addressAt(registry.cidr, 1);
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: {
      name: "kubernetes",
      namespace: "default",
      labels: { component: "apiserver", provider: "kubernetes" },
    },
    spec: {
      type: "ClusterIP",
      clusterIP: address,
      clusterIPs: [address],
      ports: [{ name: "https", protocol: "TCP", port: 443, targetPort: registry.config.advertise.port }],
    },
  };
  return service;
}

async function createIfMissing(
  registry: Registry,
  info: typeof namespaces,
  namespace: string,
  object: KubeObject,
): Promise<void> {
  const strategy = registry.strategy(info);
  if (strategy.cache.get(namespace, object.metadata?.name ?? "") !== undefined) return;
  try {
    await create(registry, { user: loopbackUser, dryRun: false, warnings: [] }, strategy, namespace, object);
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
  }
}
