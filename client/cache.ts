import { must } from "../base/assert.ts";
import type { KubeObject } from "../api/meta.ts";

export type Indexers<T> = Readonly<Record<string, (object: Readonly<T>) => readonly string[]>>;

/** `namespace/name`, or `name` for what has no namespace. */
export function keyOf(object: KubeObject): string {
  const { namespace, name } = object.metadata ?? {};
  return namespace === undefined || namespace === "" ? name ?? "" : `${namespace}/${name ?? ""}`;
}

/** The namespace and name in a key of {@linkcode keyOf}. */
export function splitKey(key: string): { namespace?: string; name: string } {
  const slash = key.indexOf("/");
  return slash === -1 ? { name: key } : { namespace: key.slice(0, slash), name: key.slice(slash + 1) };
}

/** Objects by key, with named indexes kept in step. Invariant: an index holds a key exactly under its object's values. */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, Readonly<T>>();
  readonly #indexers: Indexers<T>;
  readonly #indexes = new Map<string, Map<string, Map<string, Readonly<T>>>>();

  constructor(indexers: Indexers<T>) {
    this.#indexers = indexers;
    for (const name of Object.keys(indexers)) this.#indexes.set(name, new Map());
  }

  get size(): number {
    return this.#objects.size;
  }

  get(key: string): Readonly<T> | undefined {
    return this.#objects.get(key);
  }

  keys(): IterableIterator<string> {
    return this.#objects.keys();
  }

  list(): Readonly<T>[] {
    return [...this.#objects.values()];
  }

  byIndex(index: string, value: string): Readonly<T>[] {
    return [...this.#indexes.get(index)?.get(value)?.values() ?? []];
  }

  set(key: string, object: Readonly<T>): void {
    const old = this.#objects.get(key);
    if (old !== undefined) this.#unindex(key, old);
    this.#objects.set(key, object);
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const index = must(this.#indexes.get(name), "every indexer has an index");
      for (const value of indexer(object)) {
        const bucket = index.get(value) ?? new Map<string, Readonly<T>>();
        bucket.set(key, object);
        index.set(value, bucket);
      }
    }
  }

  delete(key: string): Readonly<T> | undefined {
    const old = this.#objects.get(key);
    if (old === undefined) return undefined;
    this.#unindex(key, old);
    this.#objects.delete(key);
    return old;
  }

  #unindex(key: string, old: Readonly<T>): void {
    for (const [name, indexer] of Object.entries(this.#indexers)) {
      const index = this.#indexes.get(name);
      for (const value of indexer(old)) {
        const bucket = index?.get(value);
        bucket?.delete(key);
        if (bucket?.size === 0) index?.delete(value);
      }
    }
  }
}
