import { invariant } from "../../base/assert.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import { formatTime } from "../../api/time.ts";
import type { KeyValue } from "../../store/types.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";
import { encodeAtRest } from "../watchcache/splice.ts";
import { type DefaultObject, defaultObjects } from "./default_objects.ts";

/** A default object as it is now; revision 0: it is not there. */
interface Present {
  readonly of: DefaultObject;
  readonly key: Uint8Array;
  readonly object: KubeObject | null;
  readonly revision: number;
}

/**
 * Brings the default roles and bindings up to date and returns when this server's cache has them. Every apiserver does
 * so at every start, in a few transactions; where another is faster, its writes are found and kept. Usually all are
 * there, and nothing is written.
 */
export async function reconcileRoles(registry: Registry): Promise<void> {
  let revision = 0;
  const all = defaultObjects(registry.clock.now()).map((of) => fromCache(registry, of));
  for (let at = 0; at < all.length; at += limits.bootstrapBatch) {
    revision = Math.max(revision, await reconcile(registry, all.slice(at, at + limits.bootstrapBatch)));
  }
  // Decisions must not rest on a cache that is still catching up with history.
  revision = Math.max(revision, await registry.gate.revision());
  for (let attempt = 0; attempt < limits.updateAttempts; attempt++) {
    if (await registry.feed.waitUntil(revision, limits.cacheWaitMs)) return;
  }
  throw new Error("the watch cache does not reach the default roles");
}

function fromCache(registry: Registry, of: DefaultObject): Present {
  const strategy = registry.strategy(of.info);
  const cached = strategy.cache.get(of.namespace, of.name);
  const key = keyOf(strategy, of.namespace, of.name);
  if (cached === undefined) return { of, key, object: null, revision: 0 };
  return { of, key, object: parseCached(cached), revision: cached.revision };
}

/** @returns the revision of the last write, 0 when there was none */
async function reconcile(registry: Registry, batch: readonly Present[]): Promise<number> {
  let present = batch;
  for (let attempt = 0; attempt < limits.updateAttempts; attempt++) {
    const writes = present.flatMap((it) => {
      const object = it.of.wanted(it.object);
      return object === null ? [] : [{ ...it, object: stamped(registry, object, it.object) }];
    });
    if (writes.length === 0) return 0;
    const answer = await registry.store.txn({
      compare: writes.map(({ key, revision }) => ({ key, target: "mod", op: "=", value: revision })),
      success: writes.map(({ of, key, object }) => ({ kind: "put", key, value: encodeAtRest(of.info, object) })),
      failure: writes.map(({ key }) => ({ kind: "range", request: { key } })),
    });
    if (answer.succeeded) return answer.revision;
    present = writes.map((it, i) => {
      const response = answer.responses[i];
      invariant(response?.kind === "range", "a failed batch answers with what is there");
      return asStored(it, response.response.kvs[0]);
    });
  }
  throw new Error("the default roles keep changing under this server");
}

function asStored({ of, key }: Present, kv: KeyValue | undefined): Present {
  if (kv === undefined) return { of, key, object: null, revision: 0 };
  return { of, key, object: JSON.parse(fromUtf8(kv.value)) as KubeObject, revision: kv.modRevision };
}

function stamped(registry: Registry, object: KubeObject, present: KubeObject | null): KubeObject {
  if (present !== null) return object;
  const { name, namespace, ...meta } = object.metadata ?? {};
  const uid = registry.random.uuid();
  const creationTimestamp = formatTime(registry.clock.now());
  object.metadata = {
    ...(name === undefined ? {} : { name }),
    ...(namespace === undefined ? {} : { namespace }),
    uid,
    creationTimestamp,
    ...meta,
  };
  return object;
}
