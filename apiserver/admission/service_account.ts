import type { KubeObject } from "../../api/meta.ts";
import { pods, serviceAccounts } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { dig, items, record, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";

/**
 * Gives a pod its service account (`default` unless it names one) and that account's pull secrets. The token volume
 * that upstream adds is not: tokens are asked for through serviceaccounts/NAME/token.
 */
export async function setServiceAccount(registry: Registry, namespace: string, pod: KubeObject): Promise<void> {
  const spec = record(dig(pod, "spec"));
  const name = text(spec["serviceAccountName"]) || "default";
  spec["serviceAccountName"] = name;
  spec["serviceAccount"] = name;
  const strategy = registry.strategy(serviceAccounts);
  const cached = strategy.cache.get(namespace, name);
  const account = cached === undefined
    ? (await readCurrent(registry, keyOf(strategy, namespace, name))).object
    : cached.parsed;
  if (account === null) {
    const why = `error looking up service account ${namespace}/${name}: serviceaccount "${name}" not found`;
    throw forbidden(pods, pod.metadata?.name ?? "", why);
  }
  const secrets = items(dig(account, "imagePullSecrets"));
  // Copied: the account's own are shared by all that read it.
  if (items(spec["imagePullSecrets"]).length === 0 && secrets.length > 0) {
    spec["imagePullSecrets"] = secrets.map((secret) => ({ ...record(secret) }));
  }
}
