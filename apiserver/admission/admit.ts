import type { KubeObject } from "../../api/meta.ts";
import {
  certificateSigningRequests,
  namespaces,
  nodes,
  persistentVolumeClaims,
  pods,
  priorityClasses,
  type ResourceInfo,
  services,
} from "../../api/resources.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import type { Strategy } from "../registry/strategy.ts";
import type { UpdateTarget } from "../registry/update.ts";
import { admitSigningRequest, admitSigningVerdict } from "./certificates.ts";
import { admitNamespaceDelete, admitToNamespace } from "./namespace_lifecycle.ts";
import { restrictNodeCreate, restrictNodeDelete, restrictNodeUpdate } from "./node_restriction.ts";
import { refuseEscalation } from "./escalation.ts";
import { addTolerations } from "./default_tolerations.ts";
import { admitPodSecurity } from "./pod_security/admit.ts";
import { checkPriorityClass, setPriority } from "./priority.ts";
import { setDefaultStorageClass } from "./default_storage_class.ts";
import { refuseExternalIps } from "./external_ips.ts";
import { checkLimits, setDefaultLimits } from "./limit_ranger.ts";
import { chargeQuotas } from "./resource_quota.ts";
import { setRuntimeClass } from "./runtime_class.ts";
import { setServiceAccount } from "./service_account.ts";
import { taintNewNode } from "./taint_nodes.ts";
import { admissionOf, hasDynamicAdmission, mutate } from "./webhooks/dispatch.ts";

/** Admission of a new object, in order: first what changes it, then what judges it. Throws 403, 404 or 422. */
export async function admitCreate(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  object: KubeObject,
): Promise<void> {
  const { info } = strategy;
  if (info.namespaced) await admitToNamespace(registry, info, namespace, object.metadata?.name ?? "");
  const on = registry.admits;
  if (on("NodeRestriction")) restrictNodeCreate(context.user, info, object);
  if (info === nodes && on("TaintNodesByCondition")) taintNewNode(object);
  if (info === certificateSigningRequests) await admitSigningRequest(registry, context.user, object);
  refuseEscalation(registry.authorizer, context.user, info, object, null);
  await complete(registry, info, namespace, object);
  if (hasDynamicAdmission(registry)) {
    const write = { operation: "CREATE", namespace, subresource: "" } as const;
    await mutate(registry, context, strategy, admissionOf(strategy, write, object, null));
  }
  if (on("LimitRanger")) checkLimits(registry, info, namespace, object);
  if (on("PodSecurity")) admitPodSecurity(registry, context, info, object, null);
  if (info === services && on("DenyServiceExternalIPs")) refuseExternalIps(object, null);
  if (info === priorityClasses && on("Priority")) checkPriorityClass(registry, object);
  // Last, so that nothing is charged for what another rule refuses.
  if (on("ResourceQuota")) await chargeQuotas(registry, context, info, namespace, object, null);
}

async function complete(registry: Registry, info: ResourceInfo, namespace: string, object: KubeObject): Promise<void> {
  const on = registry.admits;
  switch (info) {
    case pods:
      if (on("LimitRanger")) setDefaultLimits(registry, namespace, object);
      if (on("ServiceAccount")) await setServiceAccount(registry, namespace, object);
      if (on("Priority")) await setPriority(registry, object);
      if (on("DefaultTolerationSeconds")) addTolerations(object, registry.config.timers.podTolerationSeconds ?? 0);
      if (on("RuntimeClass")) await setRuntimeClass(registry, object);
      return;
    case persistentVolumeClaims:
      if (on("DefaultStorageClass")) setDefaultStorageClass(registry, object);
  }
}

export async function admitUpdate(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  object: KubeObject,
  old: KubeObject,
): Promise<void> {
  const { info } = target.strategy;
  const on = registry.admits;
  refuseEscalation(registry.authorizer, context.user, info, object, old);
  if (info === certificateSigningRequests) {
    admitSigningVerdict(registry, context.user, target.subresource, object, old);
  }
  if (on("NodeRestriction") && (info === nodes || info === pods || info === persistentVolumeClaims)) {
    const podsCache = registry.strategy(pods).cache;
    restrictNodeUpdate(
      context.user,
      info,
      target.subresource,
      object,
      old,
      (namespace, name) => podsCache.get(namespace, name)?.fields["spec.nodeName"],
    );
  }
  if (hasDynamicAdmission(registry)) {
    const write = { operation: "UPDATE", namespace: target.namespace, subresource: target.subresource } as const;
    await mutate(registry, context, target.strategy, admissionOf(target.strategy, write, object, old));
  }
  // What a pod asks for may grow after it was let in.
  if (target.subresource === "resize") {
    return await chargeQuotas(registry, context, info, target.namespace, object, old);
  }
  if (target.subresource !== "") return;
  if (info === persistentVolumeClaims && on("LimitRanger")) checkLimits(registry, info, target.namespace, object);
  if (on("PodSecurity")) admitPodSecurity(registry, context, info, object, old);
  if (info === services && on("DenyServiceExternalIPs")) refuseExternalIps(object, old);
  if (info === priorityClasses && on("Priority")) checkPriorityClass(registry, object);
  if (on("ResourceQuota")) await chargeQuotas(registry, context, info, target.namespace, object, old);
}

export function admitDelete(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  name: string,
): void {
  if (strategy.info === namespaces) admitNamespaceDelete(name);
  if (!registry.admits("NodeRestriction")) return;
  restrictNodeDelete(
    context.user,
    strategy.info,
    strategy.info === pods ? registry.strategy(pods).cache.get(namespace, name)?.fields["spec.nodeName"] : undefined,
    name,
  );
}
