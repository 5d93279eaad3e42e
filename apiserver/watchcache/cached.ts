import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import type { Conversion } from "./conversion.ts";
import { encodeAtRest, headOf, isCanonical, respliceRevision, spliceRevision } from "./splice.ts";

/** What the caches need to know of a resource: where it is stored and what can be selected. */
export interface StoredResource {
  readonly info: ResourceInfo;
  /** `/registry/pods/`: with the trailing slash. */
  readonly prefix: string;
  readonly head: Uint8Array;
  /** Field selector keys and their values, besides metadata.name and metadata.namespace. */
  readonly fields: (object: KubeObject) => Readonly<Record<string, string>>;
  /** Absent: what is stored is what is served. */
  readonly form?: StoredForm;
}

/**
 * Where what is stored differs from what is served: custom resources, by version, by pruning and by defaults; built-in
 * ones that show another's objects.
 */
export interface StoredForm {
  /** The version that is stored. */
  readonly info: ResourceInfo;
  /** May change what it is given; leaves what only `conversion` can read as it is. */
  read(stored: KubeObject): KubeObject;
  /** Absent: what is stored differs from what is served in its apiVersion alone. Leaves what it is given as it is. */
  write?(served: KubeObject): KubeObject;
  /** Absent: `read` reads everything. */
  readonly conversion?: Conversion;
}

export function storedResource(
  info: ResourceInfo,
  prefix: string,
  fields: StoredResource["fields"],
  form?: StoredForm,
): StoredResource {
  return { info, prefix, head: headOf(info), fields, ...(form === undefined ? {} : { form }) };
}

/** Bytes at rest as the object that is served, without resourceVersion. */
export function readStored(resource: Pick<StoredResource, "form">, stored: Uint8Array): KubeObject {
  const object = JSON.parse(fromUtf8(stored)) as KubeObject;
  return resource.form === undefined ? object : resource.form.read(object);
}

/** What is stored of an object that is served. */
export function storedBytes(resource: Pick<StoredResource, "info" | "form">, object: KubeObject): Uint8Array {
  const { info, form } = resource;
  return encodeAtRest(form?.info ?? info, form?.write?.(object) ?? object);
}

/** Bytes at rest as they are served, with resourceVersion. */
export function servedBytes(
  resource: Omit<StoredResource, "fields" | "prefix">,
  stored: Uint8Array,
  revision: number,
): Uint8Array<ArrayBuffer> {
  const { info, head, form } = resource;
  const bytes = form === undefined ? stored : encodeAtRest(info, readStored(resource, stored));
  return spliceRevision(info, head, bytes, revision);
}

/** The same, also where it takes a conversion. */
export function convertedBytes(
  resource: StoredResource,
  stored: Uint8Array,
  revision: number,
): Uint8Array<ArrayBuffer> | Promise<Uint8Array<ArrayBuffer>> {
  const conversion = resource.form?.conversion;
  if (conversion === undefined) return servedBytes(resource, stored, revision);
  return conversion.value(readStored(resource, stored)).then((object) =>
    spliceRevision(resource.info, resource.head, encodeAtRest(resource.info, object), revision)
  );
}

/** One object at one revision: its bytes, and the few fields that selectors need. Immutable. */
export interface CachedObject {
  /** Store key. */
  readonly key: string;
  /** "" when not namespaced. */
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  /** JSON with resourceVersion. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** True: `bytes` are those at rest, of another version; {@linkcode Conversion} makes of it what is served. */
  readonly foreign?: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
  /**
   * The object itself, read-only, kept once somebody has asked: for the few that every request consults (a Namespace, a
   * ServiceAccount), never for what there are many of. {@linkcode parseCached} gives a copy to change.
   */
  readonly parsed: Readonly<KubeObject>;
}

const noLabels: Readonly<Record<string, string>> = Object.freeze({});

interface Selectable {
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
}

/**
 * Parsed when a selector first asks, and then only labels and fields are kept: most changes of most resources (Events,
 * Leases) are never selected by anything but their name, and parsing is the dearest part of a change.
 */
class LazyObject implements CachedObject {
  readonly key: string;
  readonly namespace: string;
  readonly name: string;
  readonly revision: number;
  readonly foreign: boolean;
  readonly #resource: StoredResource;
  #bytes: Uint8Array<ArrayBuffer> | (() => Uint8Array<ArrayBuffer>);
  #selectable: Selectable | null = null;
  #parsed: Readonly<KubeObject> | null = null;

  constructor(
    resource: StoredResource,
    key: string,
    revision: number,
    bytes: Uint8Array<ArrayBuffer> | (() => Uint8Array<ArrayBuffer>),
    foreign = false,
  ) {
    const rest = key.slice(resource.prefix.length);
    const slash = resource.info.namespaced ? rest.indexOf("/") : -1;
    this.key = key;
    this.namespace = slash < 0 ? "" : rest.slice(0, slash);
    this.name = rest.slice(slash + 1);
    this.revision = revision;
    this.#bytes = bytes;
    this.foreign = foreign;
    this.#resource = resource;
  }

  get bytes(): Uint8Array<ArrayBuffer> {
    if (typeof this.#bytes === "function") this.#bytes = this.#bytes();
    return this.#bytes;
  }

  get labels(): Readonly<Record<string, string>> {
    return this.#read().labels;
  }

  get fields(): Readonly<Record<string, string>> {
    return this.#read().fields;
  }

  get parsed(): Readonly<KubeObject> {
    return this.#parsed ??= parseCached(this);
  }

  #read(): Selectable {
    if (this.#selectable !== null) return this.#selectable;
    const object = parseCached(this);
    return this.#selectable = { labels: object.metadata?.labels ?? noLabels, fields: this.#resource.fields(object) };
  }
}

/**
 * @param stored bytes at rest, without resourceVersion
 * @throws SyntaxError, TypeError for a value that is no object
 */
export function cachedObject(
  resource: StoredResource,
  key: string,
  stored: Uint8Array,
  revision: number,
): CachedObject {
  if (resource.form?.conversion !== undefined) return convertible(resource, key, stored, revision);
  if (resource.form?.write !== undefined) {
    // A second face of what is served under another resource too: few ask for it, so it is made when somebody does.
    const kept = new Uint8Array(stored);
    return new LazyObject(resource, key, revision, () => servedBytes(resource, kept, revision));
  }
  const object = new LazyObject(resource, key, revision, servedBytes(resource, stored, revision));
  // What this server did not write may be anything: it is looked at now, where a failure is expected.
  if (resource.form === undefined && !isCanonical(resource.head, stored)) void object.labels;
  return object;
}

function convertible(resource: StoredResource, key: string, stored: Uint8Array, revision: number): CachedObject {
  const object = readStored(resource, stored);
  return resource.form?.conversion?.isForeign(object) === true
    ? new LazyObject(resource, key, revision, new Uint8Array(stored), true)
    : servedObject(resource, key, object, revision);
}

/** @param object as it is served */
export function servedObject(
  resource: StoredResource,
  key: string,
  object: KubeObject,
  revision: number,
): CachedObject {
  const { info, head } = resource;
  return new LazyObject(resource, key, revision, spliceRevision(info, head, encodeAtRest(info, object), revision));
}

/** The same content under another resourceVersion: what a DELETED change carries. */
export function atRevision(resource: StoredResource, object: CachedObject, revision: number): CachedObject {
  return new LazyObject(resource, object.key, revision, respliceRevision(resource.head, object.bytes, revision));
}

/** A fresh parsed copy, for the caller to change. */
export function parseCached<T extends KubeObject>(object: Pick<CachedObject, "bytes">): T {
  return JSON.parse(fromUtf8(object.bytes)) as T;
}

export type ChangeType = "ADDED" | "MODIFIED" | "DELETED";

const opening: Readonly<Record<ChangeType, Uint8Array>> = {
  ADDED: utf8(`{"type":"ADDED","object":`),
  MODIFIED: utf8(`{"type":"MODIFIED","object":`),
  DELETED: utf8(`{"type":"DELETED","object":`),
};
const closing = utf8("}\n");

/** One line of a JSON watch. */
export function jsonFrame(type: ChangeType, bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const open = opening[type];
  const frame = new Uint8Array(open.length + bytes.length + closing.length);
  frame.set(open, 0);
  frame.set(bytes, open.length);
  frame.set(closing, open.length + bytes.length);
  return frame;
}
