import { utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import { namespaces } from "../../api/resources.ts";
import { conflict, notFound, serverTimeout } from "../../api/status.ts";
import { StoreError } from "../../store/types.ts";
import { equalJson } from "../equal.ts";
import { limits } from "../limits.ts";
import type { ConditionalWrite, SideWrite, WriteOutcome } from "../store_access.ts";
import { convertedBytes, parseCached, readStored, storedBytes, type StoredResource } from "../watchcache/cached.ts";
import { encodeAtRest, headOf, isCanonical, spliceRevision } from "../watchcache/splice.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { isFinished } from "./deletion.ts";
import type { Strategy } from "./strategy.ts";

/** An object as stored, at one revision; `revision` 0 and `object` null: not there. */
export interface Current {
  readonly object: KubeObject | null;
  readonly revision: number;
  /** Stored under another version than is stored today: a write that changes nothing brings it up to date. */
  readonly outdated?: boolean;
}

export type Next =
  | { readonly kind: "put"; readonly object: KubeObject; readonly side?: readonly SideWrite[] }
  | { readonly kind: "remove"; readonly object: KubeObject; readonly side?: readonly SideWrite[] }
  /** Nothing to do; the answer is the object as it is. */
  | { readonly kind: "keep" };

export interface Modification {
  readonly strategy: Strategy;
  readonly namespace: string;
  readonly name: string;
  /**
   * The next state from the present one. Called again after a conflict. Throws what the client is to hear.
   * @param certain false when `current` may be stale: a refusal is then tried again on the store's own word
   */
  readonly next: (current: Current) => Next | Promise<Next>;
  /** Attempts after conflicts; by default as many as it takes. */
  readonly attempts?: number;
  /** What to do when a key of `side` was taken; throws to give up. */
  readonly onSideTaken?: (indexes: readonly number[]) => void;
}

export function keyOf(strategy: Strategy, namespace: string, name: string): Uint8Array {
  return utf8(strategy.cache.keyOf(namespace, name));
}

export function namespaceKey(name: string): Uint8Array {
  return utf8(`/registry/${namespaces.resource}/${name}`);
}

/** The object as the store has it. Linearizable. @param resource needed where what is stored is not what is served */
export async function readCurrent(
  registry: Pick<Registry, "store">,
  key: Uint8Array,
  resource: Pick<StoredResource, "form"> = {},
): Promise<Current> {
  const kv = await registry.store.get(key);
  return kv === null ? absent : await decodeCurrent(resource, kv.value, kv.modRevision);
}

const absent: Current = { object: null, revision: 0 };

function decodeCurrent(
  resource: Pick<StoredResource, "form">,
  stored: Uint8Array,
  revision: number,
): Current | Promise<Current> {
  const { form } = resource;
  const object = readStored(resource, stored);
  if (form === undefined) return current(object, revision);
  const outdated = !isCanonical(headOf(form.info), stored);
  if (form.conversion === undefined) return { ...current(object, revision), outdated };
  return form.conversion.value(object).then((served) => ({ ...current(served, revision), outdated }));
}

function current(object: KubeObject, revision: number): Current {
  object.metadata = { ...object.metadata, resourceVersion: String(revision) };
  return { object, revision };
}

/** What is stored of an object that is served, also where it takes a conversion. */
export function bytesToStore(resource: StoredResource, object: KubeObject): Uint8Array | Promise<Uint8Array> {
  return resource.form?.conversion?.atRest(resource, object) ?? storedBytes(resource, object);
}

/**
 * Read, change, write if nobody was faster, else again (upstream's GuaranteedUpdate). The first attempt starts from the
 * cache, which is nearly always current and costs nothing; a refusal founded on it is checked against the store.
 */
export async function modify(registry: Registry, context: WriteContext, it: Modification): Promise<Written> {
  const { strategy } = it;
  const key = keyOf(strategy, it.namespace, it.name);
  const { resource } = strategy.cache;
  // A custom resource may be stored in a form that a write would bring up to date: only the store has it.
  const cached = resource.form === undefined ? strategy.cache.get(it.namespace, it.name) : undefined;
  let certain = cached === undefined;
  let current: Current = cached === undefined
    ? await readCurrent(registry, key, resource)
    : { object: parseCached(cached), revision: cached.revision };
  let conflicts = 0;
  for (let attempt = 0; attempt < limits.updateAttempts; attempt++) {
    let next: Next;
    try {
      next = await it.next(current);
      if (next.kind === "keep" && !certain) throw new StaleDoubt();
    } catch (error) {
      if (certain) throw error;
      const fresh = await readCurrent(registry, key, resource);
      certain = true;
      if (fresh.revision === current.revision && !(error instanceof StaleDoubt)) throw error;
      current = fresh;
      continue;
    }
    const done = await tryWrite(registry, context, strategy, key, current, next);
    if (done.kind === "written") return done.written;
    if (done.kind === "sideTaken") {
      if (it.onSideTaken === undefined) throw serverTimeout(strategy.info, "update", 1);
      it.onSideTaken(done.taken);
      continue;
    }
    certain = true;
    if (done.kind === "conflict") current = done.current;
    if (++conflicts >= (it.attempts ?? limits.updateAttempts)) throw conflict(strategy.info, it.name);
  }
  throw conflict(strategy.info, it.name);
}

/** The cache says that there is nothing to do; the store must say so too. */
class StaleDoubt extends Error {
  override readonly name = "StaleDoubt";
}

type Attempt =
  | { readonly kind: "written"; readonly written: Written }
  | { readonly kind: "conflict"; readonly current: Current }
  | { readonly kind: "sideTaken"; readonly taken: readonly number[] };

async function tryWrite(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  key: Uint8Array,
  current: Current,
  next: Next,
): Promise<Attempt> {
  if (next.kind === "keep") {
    return { kind: "written", written: answer(strategy, current.object ?? {}, current.revision) };
  }
  const { object } = next;
  const side = next.side ?? [];
  const remove = next.kind === "remove" || isFinished(object);
  const same = current.outdated !== true && current.object !== null && equalJson(object, current.object);
  if (!remove && side.length === 0 && same && !registry.store.isStale(key)) {
    return { kind: "written", written: answer(strategy, object, current.revision) };
  }
  const code = current.object === null ? 201 : 200;
  const stored = remove ? null : await bytesToStore(strategy.cache.resource, object);
  if (context.dryRun) return { kind: "written", written: answer(strategy, object, current.revision, code) };
  const outcome = await writeObject(registry, strategy, {
    key,
    expected: current.revision,
    value: stored,
    side,
  });
  switch (outcome.kind) {
    case "written": {
      if (stored === null) return { kind: "written", written: answer(strategy, object, outcome.revision, code) };
      const bytes = await convertedBytes(strategy.cache.resource, stored, outcome.revision);
      return { kind: "written", written: { code, bytes } };
    }
    case "sideTaken":
      return outcome;
    case "parentMissing":
      throw notFound(namespaces, "");
    case "conflict":
      return {
        kind: "conflict",
        current: outcome.current === null
          ? absent
          : await decodeCurrent(strategy.cache.resource, outcome.current.value, outcome.current.modRevision),
      };
  }
}

/** @param revision 0: the object was not stored, and has no resourceVersion */
function answer(strategy: Strategy, object: KubeObject, revision: number, code: 200 | 201 = 200): Written {
  const { info, cache } = strategy;
  const stored = encodeAtRest(info, object);
  if (revision === 0) return { code, bytes: new Uint8Array(stored) };
  return { code, bytes: spliceRevision(info, cache.resource.head, stored, revision) };
}

/** One conditional write; Events get a store lease, so that they go by themselves. */
export async function writeObject(
  registry: Registry,
  strategy: Strategy,
  write: ConditionalWrite,
): Promise<WriteOutcome> {
  if (strategy.info.resource !== "events" || write.value === null) return await registry.store.write(write);
  try {
    return await registry.store.write({ ...write, lease: await registry.eventLeases.lease() });
  } catch (error) {
    if (!(error instanceof StoreError) || error.code !== "LeaseNotFound") throw error;
    registry.eventLeases.forget();
    return await registry.store.write({ ...write, lease: await registry.eventLeases.lease() });
  }
}
