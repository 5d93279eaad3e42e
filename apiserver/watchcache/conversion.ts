import { fromUtf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import { type CachedObject, servedObject, type StoredResource } from "./cached.ts";
import { Change } from "./change.ts";
import { encodeAtRest } from "./splice.ts";

/** What makes one version of an object of another, where that takes somebody else's word: a conversion webhook's. */
export interface Converter {
  /** Whether what is stored is of another version than what is served. */
  isForeign(stored: KubeObject): boolean;
  /** Foreign objects as they are served; keeps their order. @throws ApiError */
  toServed(stored: readonly KubeObject[]): Promise<KubeObject[]>;
  /** @throws ApiError */
  toStored(served: KubeObject): Promise<KubeObject>;
}

/**
 * Converts what is read, when it is read: a cache holds foreign objects as they are stored, so it never waits for a
 * webhook, and a resource that nobody reads costs none. What was converted is kept as long as what it was made from.
 */
export class Conversion {
  readonly #converter: Converter;
  readonly #objects = new WeakMap<CachedObject, Promise<CachedObject>>();
  readonly #changes = new WeakMap<Change, Promise<Change>>();

  constructor(converter: Converter) {
    this.#converter = converter;
  }

  isForeign(stored: KubeObject): boolean {
    return this.#converter.isForeign(stored);
  }

  /** One value as it is served. */
  async value(stored: KubeObject): Promise<KubeObject> {
    if (!this.isForeign(stored)) return stored;
    const [served = stored] = await this.#converter.toServed([stored]);
    return served;
  }

  /** The bytes at rest of an object that is served. */
  async atRest(resource: StoredResource, served: KubeObject): Promise<Uint8Array> {
    return encodeAtRest(resource.form?.info ?? resource.info, await this.#converter.toStored(served));
  }

  /** All of them as they are served, asking once for those that nobody has asked for before. */
  async objects(resource: StoredResource, objects: readonly CachedObject[]): Promise<CachedObject[]> {
    const missing = objects.filter((object) => object.foreign === true && !this.#objects.has(object));
    if (missing.length > 0) {
      const batch = this.#convert(resource, missing);
      for (const [index, object] of missing.entries()) {
        // As many come back as were sent.
        this.#objects.set(object, batch.then((all) => all[index] as CachedObject));
      }
      batch.catch(() => {
        for (const object of missing) this.#objects.delete(object);
      });
    }
    return await Promise.all(objects.map((object) => this.#objects.get(object) ?? object));
  }

  /** A change as the watchers of the served version see it; made once for all of them. */
  change(resource: StoredResource, change: Change): Promise<Change> {
    let known = this.#changes.get(change);
    if (known === undefined) {
      known = this.#convertChange(resource, change);
      this.#changes.set(change, known);
      known.catch(() => this.#changes.delete(change));
    }
    return known;
  }

  async #convertChange(resource: StoredResource, change: Change): Promise<Change> {
    const { object, previous, revision } = change;
    const both = [object, previous].filter((it) => it !== null);
    const converted = await this.objects(resource, both);
    const served = (it: CachedObject | null) => it === null ? null : converted[both.indexOf(it)] ?? null;
    return new Change(resource, revision, served(object), served(previous));
  }

  async #convert(resource: StoredResource, foreign: readonly CachedObject[]): Promise<CachedObject[]> {
    const stored = foreign.map(({ bytes }) => JSON.parse(fromUtf8(bytes)) as KubeObject);
    const served = await this.#converter.toServed(stored);
    return foreign.map(({ key, revision }, index) => servedObject(resource, key, served[index] ?? {}, revision));
  }
}

/** `objects` of a cache as they are served; at once where nothing has to be converted. */
export function convertedAll(
  resource: StoredResource,
  objects: readonly CachedObject[],
): readonly CachedObject[] | Promise<readonly CachedObject[]> {
  return resource.form?.conversion?.objects(resource, objects) ?? objects;
}
