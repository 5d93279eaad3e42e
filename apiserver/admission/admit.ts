import type { KubeObject } from "../../api/meta.ts";
import { namespaces, nodes, pods } from "../../api/resources.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import type { Strategy } from "../registry/strategy.ts";
import type { UpdateTarget } from "../registry/update.ts";
import { admitNamespaceDelete, admitToNamespace } from "./namespace_lifecycle.ts";
import { restrictNodeCreate, restrictNodeDelete, restrictNodeUpdate } from "./node_restriction.ts";
import { refuseEscalation } from "./escalation.ts";
import { addTolerations } from "./default_tolerations.ts";
import { setPriority } from "./priority.ts";
import { setServiceAccount } from "./service_account.ts";

/** Admission of a new object, in order. Changes it, or throws 403/404. */
export async function admitCreate(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  object: KubeObject,
): Promise<void> {
  if (strategy.info.namespaced) await admitToNamespace(registry, strategy.info, namespace, object.metadata?.name ?? "");
  restrictNodeCreate(context.user, strategy.info, object);
  refuseEscalation(registry.authorizer, context.user, strategy.info, object, null);
  if (strategy.info === pods) {
    await setServiceAccount(registry, namespace, object);
    setPriority(object);
    addTolerations(object, registry.config.timers.podTolerationSeconds ?? 0);
  }
}

export function admitUpdate(
  registry: Registry,
  context: WriteContext,
  target: UpdateTarget,
  object: KubeObject,
  old: KubeObject,
): void {
  const { info } = target.strategy;
  refuseEscalation(registry.authorizer, context.user, info, object, old);
  if (info === nodes || info === pods) {
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
}

export function admitDelete(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  name: string,
): void {
  if (strategy.info === namespaces) admitNamespaceDelete(name);
  restrictNodeDelete(
    context.user,
    strategy.info,
    strategy.info === pods ? registry.strategy(pods).cache.get(namespace, name)?.fields["spec.nodeName"] : undefined,
    name,
  );
}
