import type { KubeObject, OwnerReference } from "../api/meta.ts";
import { apiVersionOf } from "../api/resources.ts";
import { type EventRecorder, isNotFound, keyOf, referenceTo, type RestClient } from "../client/mod.ts";
import {
  type Dependent,
  foregroundFinalizer,
  orphanFinalizer,
  type OwnerState,
  reconcileGarbage,
} from "./core/garbage.ts";
import { index, type Informers, type Watched } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller } from "./runner.ts";

/**
 * The graph of owners and dependents is the informers themselves: their `owner` index gives the dependents of a uid. Keys
 * are `type key`, e.g. `io.k8s.api.core.v1.Pod default/web`.
 */
export function garbageCollector(informers: Informers, client: RestClient, recorder: EventRecorder): Controller {
  /** Uids that a live look found absent. A uid never comes back. */
  const absent = new Set<string>();

  function dependentsOf(uid: string): Dependent[] {
    return informers.all.flatMap(({ info, informer }) =>
      informer.byIndex(index.owner, uid).map((object) => ({ info, object }))
    );
  }

  function watchedOf(reference: Readonly<OwnerReference>): Watched | undefined {
    return informers.all.find(({ info }) =>
      // Every version of a group shows the same objects, under the same uids.
      info.kind === reference.kind && info.group === groupOf(reference.apiVersion)
    );
  }

  async function stateOf(dependent: Dependent, reference: Readonly<OwnerReference>): Promise<OwnerState> {
    const watched = watchedOf(reference);
    if (watched === undefined) return "unresolvable";
    const { info, informer } = watched;
    const namespace = dependent.object.metadata?.namespace;
    if (info.namespaced && namespace === undefined) {
      recorder.event(
        referenceTo(dependent.info, dependent.object),
        "Warning",
        "OwnerRefInvalidNamespace",
        `ownerRef [${apiVersionOf(info)}/${info.kind}, namespace: , name: ${reference.name}, uid: ${reference.uid}] ` +
          `does not exist in namespace ""`,
      );
      return "unresolvable";
    }
    if (absent.has(reference.uid)) return "absent";
    const inNamespace = info.namespaced ? namespace : undefined;
    const key = inNamespace === undefined ? reference.name : `${inNamespace}/${reference.name}`;
    const cached = informer.get(key);
    if (cached?.metadata?.uid === reference.uid) return existing(cached);
    // The informer may lag behind the dependent's: only a live look proves absence.
    try {
      const live = await client.get<KubeObject>(info, reference.name, inNamespace);
      if (live.metadata?.uid === reference.uid) return existing(live);
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
    remember(reference.uid);
    return "absent";
  }

  function remember(uid: string): void {
    absent.add(uid);
    if (absent.size <= limits.maxAbsentOwners) return;
    for (const oldest of absent) {
      absent.delete(oldest);
      break;
    }
  }

  return {
    name: "garbagecollector",
    queueName: "garbage_collector_attempt_to_delete",
    workers: 20,
    keys: () =>
      informers.all.flatMap(({ info, informer }) =>
        informer.list().filter(concerns).map((object) => `${info.type} ${keyOf(object)}`)
      ),
    subscribe(enqueue) {
      function enqueueAll(found: readonly Dependent[]): void {
        for (const { info, object } of found) enqueue(`${info.type} ${keyOf(object)}`);
      }
      informers.onWatched(({ info, informer }) => {
        const enqueueOwners = (object: Readonly<KubeObject>) => {
          for (const reference of object.metadata?.ownerReferences ?? []) {
            const owner = watchedOf(reference);
            if (owner === undefined) continue;
            const namespace = object.metadata?.namespace ?? "";
            const key = owner.info.namespaced ? `${namespace}/${reference.name}` : reference.name;
            // Only an owner in deletion waits for its dependents.
            if (owner.informer.get(key)?.metadata?.deletionTimestamp === undefined) continue;
            enqueue(`${owner.info.type} ${key}`);
          }
        };
        informer.subscribe({
          added(object) {
            if (concerns(object)) enqueue(`${info.type} ${keyOf(object)}`);
          },
          updated(old, object) {
            const key = `${info.type} ${keyOf(object)}`;
            const before = old.metadata;
            const after = object.metadata;
            const owners = (metadata: KubeObject["metadata"]) => JSON.stringify(metadata?.ownerReferences ?? []);
            const ownersChanged = owners(before) !== owners(after);
            const deletionBegan = before?.deletionTimestamp === undefined && after?.deletionTimestamp !== undefined;
            if (ownersChanged) enqueueOwners(old);
            if (ownersChanged || deletionBegan || holdsDependents(object)) enqueue(key);
            if (deletionBegan) {
              enqueueOwners(object);
              if (holdsDependents(object)) enqueueAll(dependentsOf(after?.uid ?? ""));
            }
          },
          deleted(object) {
            remember(object.metadata?.uid ?? "");
            enqueueAll(dependentsOf(object.metadata?.uid ?? ""));
            enqueueOwners(object);
          },
        });
      });
    },
    async sync(key, turn) {
      const space = key.indexOf(" ");
      const watched = informers.all.find(({ info }) => info.type === key.slice(0, space));
      const object = watched?.informer.get(key.slice(space + 1));
      if (watched === undefined || object === undefined || !concerns(object)) return;
      const { info } = watched;
      const references = object.metadata?.ownerReferences ?? [];
      const owners = await Promise.all(
        references.map(async (reference) => ({ reference, state: await stateOf({ info, object }, reference) })),
      );
      const dependents = dependentsOf(object.metadata?.uid ?? "");
      await turn.carryOut(reconcileGarbage({ info, object, owners, dependents }));
    },
  };
}

/** `apps` of `apps/v1`; "" for the core group. */
function groupOf(apiVersion: string): string {
  const slash = apiVersion.indexOf("/");
  return slash < 0 ? "" : apiVersion.slice(0, slash);
}

function existing(owner: Readonly<KubeObject>): OwnerState {
  return owner.metadata?.deletionTimestamp !== undefined &&
      (owner.metadata.finalizers ?? []).includes(foregroundFinalizer)
    ? "waiting"
    : "solid";
}

/** In deletion, and not to go before something is done about its dependents. */
function holdsDependents(object: Readonly<KubeObject>): boolean {
  const finalizers = object.metadata?.finalizers ?? [];
  return object.metadata?.deletionTimestamp !== undefined &&
    (finalizers.includes(foregroundFinalizer) || finalizers.includes(orphanFinalizer));
}

/** Whether garbage collection has anything to do with it now. */
function concerns(object: Readonly<KubeObject>): boolean {
  return (object.metadata?.ownerReferences ?? []).length > 0 || holdsDependents(object);
}
