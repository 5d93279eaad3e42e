import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiVersionOf, type ResourceInfo } from "../../api/resources.ts";

/**
 * Objects at rest are JSON without resourceVersion, and begin with the same bytes for every object of a resource:
 * `{"kind":K,"apiVersion":V,"metadata":{`. So the store's revision is inserted without parsing.
 */
export function headOf(info: ResourceInfo): Uint8Array {
  return utf8(`{"kind":${JSON.stringify(info.kind)},"apiVersion":${JSON.stringify(apiVersionOf(info))},"metadata":{`);
}

/** The bytes at rest of `object`: canonical key order at the front, resourceVersion left out. */
export function encodeAtRest(info: ResourceInfo, object: KubeObject): Uint8Array {
  const { kind: _kind, apiVersion: _apiVersion, metadata, ...rest } = object as Record<string, unknown>;
  const { resourceVersion: _resourceVersion, selfLink: _selfLink, ...meta } = (metadata ?? {}) as Record<
    string,
    unknown
  >;
  return utf8(JSON.stringify({ kind: info.kind, apiVersion: apiVersionOf(info), metadata: meta, ...rest }));
}

/** `stored` with `"resourceVersion":"N"` as metadata's first field. Bytes in another form are decoded and encoded anew. */
export function spliceRevision(
  info: ResourceInfo,
  head: Uint8Array,
  stored: Uint8Array,
  revision: number,
): Uint8Array<ArrayBuffer> {
  if (isCanonical(head, stored)) {
    const empty = stored[head.length] === closingBrace;
    const field = utf8(`"resourceVersion":"${revision}"${empty ? "" : ","}`);
    const all = new Uint8Array(stored.length + field.length);
    all.set(head, 0);
    all.set(field, head.length);
    all.set(stored.subarray(head.length), head.length + field.length);
    return all;
  }
  const object: unknown = JSON.parse(fromUtf8(stored));
  return spliceRevision(info, head, encodeAtRest(info, object as KubeObject), revision);
}

/** Replaces the resourceVersion that {@linkcode spliceRevision} put in. */
export function respliceRevision(head: Uint8Array, spliced: Uint8Array, revision: number): Uint8Array<ArrayBuffer> {
  const start = head.length + `"resourceVersion":"`.length;
  const end = spliced.indexOf(0x22, start);
  return concatBytes([spliced.subarray(0, start), utf8(String(revision)), spliced.subarray(end)]);
}

/** Whether `stored` begins as {@linkcode encodeAtRest} begins and ends as an object ends: an apiserver wrote it. */
export function isCanonical(head: Uint8Array, stored: Uint8Array): boolean {
  if (stored.length < head.length + 1 || stored[stored.length - 1] !== closingBrace) return false;
  for (let i = 0; i < head.length; i++) if (stored[i] !== head[i]) return false;
  return true;
}

const closingBrace = 0x7d;
