import { representative } from "../api/custom_resources.ts";
import type { CustomResourceDefinition, Namespace } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import {
  customResourceDefinitions,
  namespaces as namespacesInfo,
  pods,
  preferred,
  type ResourceInfo,
} from "../api/resources.ts";
import { isNotFound, keyOf, type RestClient } from "../client/mod.ts";
import { namespaceFinalizer, reconcileNamespace } from "./core/namespace.ts";
import type { Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

/** What a round of deletion left behind. */
interface Leftovers {
  readonly remaining: Map<string, number>;
  readonly finalizers: Map<string, number>;
  readonly failures: string[];
}

/** Empties Terminating namespaces, then lets them go. Looks live: an informer that lags would finalize too early. */
export function namespaceController(informers: Informers, client: RestClient): Controller {
  const { namespaces } = informers;

  async function count(info: ResourceInfo, namespace: string, left: Leftovers): Promise<number> {
    let total = 0;
    let next: string | undefined;
    do {
      const list = await client.list<KubeObject>(info, {
        namespace,
        limit: limits.namespaceListPage,
        ...(next === undefined ? {} : { continue: next }),
      });
      total += list.items.length;
      for (const finalizer of list.items.flatMap((each) => each.metadata?.finalizers ?? [])) {
        left.finalizers.set(finalizer, (left.finalizers.get(finalizer) ?? 0) + 1);
      }
      next = list.metadata.continue;
    } while (next !== undefined && next !== "");
    if (total > 0) left.remaining.set(`${info.resource}.${info.group}`, total);
    return total;
  }

  async function customResources(): Promise<ResourceInfo[]> {
    const { items } = await client.list<CustomResourceDefinition>(customResourceDefinitions);
    return items.map(representative).filter((info) => info !== null);
  }

  async function empty(info: ResourceInfo, namespace: string, left: Leftovers): Promise<void> {
    const before: Leftovers = { remaining: new Map(), finalizers: new Map(), failures: [] };
    try {
      if (await count(info, namespace, before) === 0) return;
      await client.deleteCollection(info, { namespace, propagationPolicy: "Background" });
      await count(info, namespace, left);
    } catch (error) {
      // Its definition has gone meanwhile, and took it along.
      if (isNotFound(error)) return;
      left.failures.push(error instanceof Error ? error.message : String(error));
    }
  }

  return {
    name: "namespace",
    keys: () => namespaces.list().filter(isTerminating).map(keyOf),
    subscribe(enqueue) {
      const enqueueTerminating = (namespace: Readonly<Namespace>) => {
        if (isTerminating(namespace)) enqueue(keyOf(namespace));
      };
      namespaces.subscribe({ added: enqueueTerminating, updated: (_, object) => enqueueTerminating(object) });
      informers.onWatched(({ info, informer }) => {
        if (!info.namespaced) return;
        informer.subscribe({
          deleted(object) {
            const namespace = namespaces.get(object.metadata?.namespace ?? "");
            if (namespace !== undefined) enqueueTerminating(namespace);
          },
        });
      });
    },
    async sync(key, turn) {
      const namespace = namespaces.get(key);
      if (namespace === undefined || !isTerminating(namespace)) return;
      if (!(namespace.spec?.finalizers ?? []).includes(namespaceFinalizer)) return;
      const left: Leftovers = { remaining: new Map(), finalizers: new Map(), failures: [] };
      // Pods first (KEP-5080): what they use must not vanish under them.
      await empty(pods, key, left);
      if (left.remaining.size === 0 && left.failures.length === 0) {
        const others = [...preferred, ...await customResources()].filter((info) => info.namespaced && info !== pods);
        await Promise.all(others.map((info) => empty(info, key, left)));
      }
      if (turn.signal.aborted) return;
      const decision = reconcileNamespace({ namespace, ...left }, turn.now);
      if (decision.finalize) {
        await finalize(client, namespace);
        return;
      }
      await turn.carryOut({ ...decision, wakeAfterMs: limits.namespaceRetryMs });
    },
  };
}

function isTerminating(namespace: Readonly<Namespace>): boolean {
  return namespace.metadata?.deletionTimestamp !== undefined;
}

async function finalize(client: RestClient, namespace: Readonly<Namespace>): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((each) => each !== namespaceFinalizer);
  const object: Namespace = { ...namespace, spec: { ...namespace.spec, finalizers } };
  try {
    await client.update(namespacesInfo, object, "finalize");
  } catch (error) {
    if (!isNotFound(error)) throw error;
  }
}
