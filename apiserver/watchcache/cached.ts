import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { ResourceInfo } from "../../api/resources.ts";
import { headOf, respliceRevision, spliceRevision } from "./splice.ts";

/** What the caches need to know of a resource: where it is stored and what can be selected. */
export interface StoredResource {
  readonly info: ResourceInfo;
  /** `/registry/pods/`: with the trailing slash. */
  readonly prefix: string;
  readonly head: Uint8Array;
  /** Field selector keys and their values, besides metadata.name and metadata.namespace. */
  readonly fields: (object: KubeObject) => Readonly<Record<string, string>>;
}

export function storedResource(
  info: ResourceInfo,
  prefix: string,
  fields: StoredResource["fields"],
): StoredResource {
  return { info, prefix, head: headOf(info), fields };
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
  readonly labels: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, string>>;
}

const noLabels: Readonly<Record<string, string>> = Object.freeze({});

/** @param stored bytes at rest, without resourceVersion */
export function cachedObject(
  resource: StoredResource,
  key: string,
  stored: Uint8Array,
  revision: number,
): CachedObject {
  const object = JSON.parse(fromUtf8(stored)) as KubeObject;
  const rest = key.slice(resource.prefix.length);
  const slash = resource.info.namespaced ? rest.indexOf("/") : -1;
  return {
    key,
    namespace: slash < 0 ? "" : rest.slice(0, slash),
    name: rest.slice(slash + 1),
    revision,
    bytes: spliceRevision(resource.info, resource.head, stored, revision),
    labels: object.metadata?.labels ?? noLabels,
    fields: resource.fields(object),
  };
}

/** The same content under another resourceVersion: what a DELETED change carries. */
export function atRevision(resource: StoredResource, object: CachedObject, revision: number): CachedObject {
  return { ...object, revision, bytes: respliceRevision(resource.head, object.bytes, revision) };
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
