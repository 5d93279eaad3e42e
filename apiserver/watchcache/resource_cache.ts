import { must } from "../../base/assert.ts";
import { Deque } from "../../base/deque.ts";
import type { StoreEvent } from "../../store/types.ts";
import { limits } from "../limits.ts";
import { type CachedObject, cachedObject, type StoredResource } from "./cached.ts";
import { Change } from "./change.ts";
import { SortedMap } from "./sorted_map.ts";

/** Who gets the changes of a resource. `trigger` narrows by one field, so that 5,000 kubelets do not each see every pod. */
export interface Subscriber {
  /** `spec.nodeName=n1`, `namespace=ns`, `name=ns/n`; null: every change. */
  readonly trigger: string | null;
  offer(change: Change): void;
  /** Everything up to `revision` was offered; a chance to send a bookmark. */
  bookmark(revision: number): void;
  end(): void;
}

/**
 * One resource's objects, newest state, and its latest changes. Fed by {@linkcode StoreFeed}, in revision order, from
 * one store watch. Invariant: every change with a revision in (ringFrom, the feed's revision] is in the ring.
 */
export class ResourceCache {
  readonly resource: StoredResource;
  readonly #objects = new SortedMap<CachedObject>();
  readonly #ring = new Deque<Change>();
  #ringFrom = 0;
  #changedAt = 0;
  readonly #everything = new Set<Subscriber>();
  readonly #triggered = new Map<string, Set<Subscriber>>();
  /** How many of the triggers are nodes. */
  #byNode = 0;

  constructor(resource: StoredResource) {
    this.resource = resource;
  }

  get size(): number {
    return this.#objects.size;
  }

  /** The revision of the last change of this resource that is known. */
  get changedAt(): number {
    return this.#changedAt;
  }

  get subscribers(): number {
    let count = this.#everything.size;
    for (const set of this.#triggered.values()) count += set.size;
    return count;
  }

  /** Forgets everything and ends every watch: used when the store's history has a hole. */
  reset(revision: number): void {
    this.#objects.clear();
    this.#ring.clear();
    this.#ringFrom = revision;
    this.#changedAt = revision;
    const all = [...this.#everything, ...[...this.#triggered.values()].flatMap((set) => [...set])];
    for (const subscriber of all) subscriber.end();
  }

  load(key: string, stored: Uint8Array, revision: number): void {
    this.#objects.set(key, cachedObject(this.resource, key, stored, revision));
  }

  apply(key: string, event: StoreEvent): void {
    const revision = event.kv.modRevision;
    // A cache that was added while the feed runs is loaded at a revision that the feed may not have reached yet.
    if (revision <= this.#ringFrom) return;
    const previous = this.#objects.get(key) ?? null;
    let object: CachedObject | null = null;
    if (event.type === "put") {
      object = cachedObject(this.resource, key, event.kv.value, revision);
      this.#objects.set(key, object);
    } else {
      this.#objects.delete(key);
      if (previous === null) return;
    }
    this.#changedAt = revision;
    const change = new Change(this.resource, revision, object, previous);
    this.#remember(change);
    this.#publish(change);
  }

  get(namespace: string, name: string): CachedObject | undefined {
    return this.#objects.get(this.keyOf(namespace, name));
  }

  keyOf(namespace: string, name: string): string {
    const { prefix, info } = this.resource;
    return info.namespaced ? `${prefix}${namespace}/${name}` : prefix + name;
  }

  /** In key order. @param namespace "" for all @param from first key wanted */
  list(namespace: string, from?: string): CachedObject[] {
    const prefix = namespace === "" ? this.resource.prefix : `${this.resource.prefix}${namespace}/`;
    return this.#objects.collect(prefix, from);
  }

  /** Changes later than `revision`, oldest first; null when the ring does not reach back that far. */
  changesAfter(revision: number): Change[] | null {
    if (revision < this.#ringFrom) return null;
    let low = 0;
    let high = this.#ring.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#ring.at(middle) as Change).revision <= revision) low = middle + 1;
      else high = middle;
    }
    const changes: Change[] = [];
    for (let i = low; i < this.#ring.size; i++) changes.push(this.#ring.at(i) as Change);
    return changes;
  }

  subscribe(subscriber: Subscriber): void {
    if (subscriber.trigger === null) {
      this.#everything.add(subscriber);
      return;
    }
    let set = this.#triggered.get(subscriber.trigger);
    if (set === undefined) {
      this.#triggered.set(subscriber.trigger, set = new Set());
      if (subscriber.trigger.startsWith(nodePrefix)) this.#byNode++;
    }
    set.add(subscriber);
  }

  unsubscribe(subscriber: Subscriber): void {
    if (subscriber.trigger === null) {
      this.#everything.delete(subscriber);
      return;
    }
    const set = this.#triggered.get(subscriber.trigger);
    if (set === undefined) return;
    set.delete(subscriber);
    if (set.size > 0) return;
    this.#triggered.delete(subscriber.trigger);
    if (subscriber.trigger.startsWith(nodePrefix)) this.#byNode--;
  }

  isSubscribed(subscriber: Subscriber): boolean {
    const { trigger } = subscriber;
    return trigger === null ? this.#everything.has(subscriber) : this.#triggered.get(trigger)?.has(subscriber) === true;
  }

  bookmark(revision: number): void {
    for (const subscriber of this.#everything) subscriber.bookmark(revision);
    for (const set of this.#triggered.values()) for (const subscriber of set) subscriber.bookmark(revision);
  }

  #remember(change: Change): void {
    this.#ring.push(change);
    this.#ring.at(this.#ring.size - 1 - limits.ringFrames)?.dropFrames();
    while (this.#ring.size > limits.ringEvents) {
      const oldest = this.#ring.shift() as Change;
      this.#ringFrom = oldest.revision;
    }
  }

  #publish(change: Change): void {
    for (const subscriber of this.#everything) subscriber.offer(change);
    if (this.#triggered.size === 0) return;
    // Key, so namespace and name, are the same before and after.
    const { namespace, name } = change.object ?? must(change.previous, "a change has an object, now or before");
    this.#publishTo(`namespace=${namespace}`, change);
    this.#publishTo(`name=${namespace}/${name}`, change);
    // Reading a field parses the object: not without somebody who asks for it.
    if (this.#byNode === 0) return;
    const now = change.object?.fields["spec.nodeName"];
    const before = change.previous?.fields["spec.nodeName"];
    if (now !== undefined) this.#publishTo(nodeTrigger(now), change);
    if (before !== undefined && before !== now) this.#publishTo(nodeTrigger(before), change);
  }

  #publishTo(trigger: string, change: Change): void {
    const set = this.#triggered.get(trigger);
    if (set !== undefined) { for (const subscriber of set) subscriber.offer(change); }
  }
}

const nodePrefix = "spec.nodeName=";

function nodeTrigger(node: string): string {
  return nodePrefix + node;
}
