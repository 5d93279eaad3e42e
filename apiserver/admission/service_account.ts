import type { KubeObject } from "../../api/meta.ts";
import { generatedName } from "../../api/names.ts";
import { pods, serviceAccounts } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { dig, items, type Json, record, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";

/**
 * Gives a pod its service account (`default` unless it names one), that account's pull secrets, and, unless the pod or
 * else the account says no, the volume with the account's token.
 * @see kubernetes plugin/pkg/admission/serviceaccount
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
  const wanted = spec["automountServiceAccountToken"] ?? dig(account, "automountServiceAccountToken") ?? true;
  if (wanted !== false) mountToken(registry, spec);
}

const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
const tokenVolumePrefix = "kube-api-access-";

/** Where every client library looks for it. A container that has something else mounted there keeps that. */
function mountToken(registry: Registry, spec: Json): void {
  const volumes = items(spec["volumes"]);
  const present = volumes.map((volume) => text(dig(volume, "name"))).find((name) => name.startsWith(tokenVolumePrefix));
  const name = present ?? generatedName(tokenVolumePrefix, (bound) => registry.random.int(bound));
  let mounted = false;
  for (const container of [...items(spec["initContainers"]), ...items(spec["containers"])].map(record)) {
    const mounts = items(container["volumeMounts"]);
    if (mounts.some((mount) => dig(mount, "mountPath") === tokenPath)) continue;
    container["volumeMounts"] = [...mounts, { name, readOnly: true, mountPath: tokenPath }];
    mounted = true;
  }
  if (mounted && present === undefined) spec["volumes"] = [...volumes, tokenVolume(name)];
}

/** As upstream has it; the odd seconds tell a token that was mounted by default from one that was asked for. */
function tokenVolume(name: string): Json {
  const namespace = { path: "namespace", fieldRef: { apiVersion: "v1", fieldPath: "metadata.namespace" } };
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: 3607, path: "token" } },
        { configMap: { name: "kube-root-ca.crt", items: [{ key: "ca.crt", path: "ca.crt" }] } },
        { downwardAPI: { items: [namespace] } },
      ],
      defaultMode: 0o644,
    },
  };
}
