import { invariant } from "../../base/assert.ts";
import { concatBytes } from "../../base/bytes.ts";
import { apiVersionOf, listKindOf, type ResourceInfo } from "../../api/resources.ts";
import type { ApiError } from "../../api/status.ts";
import type { Clock } from "../../platform/mod.ts";
import { encodeMsgpack, encodeYaml } from "../../api/codec/mod.ts";
import { type Json, record, text } from "../dig.ts";
import type { Encoding, Negotiated } from "../negotiate.ts";
import { encodeProtobuf, encodeRaw, envelope, listMessage, watchFrame } from "../protobuf/encode.ts";
import { typeOfKind } from "../protobuf/types.ts";
import { BackwardWriter } from "../protobuf/writer.ts";
import { type Bytes, respondBytes, respondParts, textBytes } from "../respond.ts";
import type { Printer } from "../table/columns.ts";
import { type IncludeObject, parseBytes, partialMetadata, table, type TableOptions, tableRow } from "../table/table.ts";
import { type CachedObject, type ChangeType } from "../watchcache/cached.ts";
import { encodeJsonFrame } from "../watchcache/change.ts";
import type { Page } from "./list.ts";
import type { WatchFormat } from "./watch.ts";

export interface OutputOptions {
  readonly negotiated: Negotiated;
  readonly include: IncludeObject;
  readonly printer: Printer;
  readonly clock: Clock;
}

function tableOptions(options: OutputOptions): TableOptions {
  return {
    printer: options.printer,
    apiVersion: `meta.k8s.io/${options.negotiated.metaVersion}`,
    include: options.include,
    now: options.clock.now(),
  };
}

/** One object's answer. `bytes` go out as they are when JSON was asked for. */
export function respondObject(code: number, info: ResourceInfo, bytes: Bytes, options: OutputOptions): Response {
  const { negotiated } = options;
  if (negotiated.shape === "object" && negotiated.encoding === "json" && !negotiated.pretty) {
    return respondBytes(code, negotiated.contentType, bytes);
  }
  const object = parseBytes({ bytes });
  if (negotiated.shape === "object" && negotiated.encoding === "protobuf") {
    return respondBytes(code, negotiated.contentType, encodeProtobuf(object, info.type));
  }
  switch (negotiated.shape) {
    case "object":
      return respondValue(code, object, negotiated);
    case "table": {
      const { resourceVersion } = record(object["metadata"]);
      return respondValue(code, table([object], { resourceVersion }, tableOptions(options)), negotiated);
    }
    case "partial":
      return respondValue(code, partialMetadata(object, `meta.k8s.io/${negotiated.metaVersion}`), negotiated);
  }
}

/** Any value in the encoding that was agreed on. */
export function respondValue(code: number, value: unknown, negotiated: Negotiated): Response {
  return respondBytes(code, negotiated.contentType, encodeValue(value, negotiated));
}

function encodeValue(value: unknown, negotiated: Negotiated): Bytes {
  switch (negotiated.encoding) {
    case "json":
      return textBytes(`${JSON.stringify(value, null, negotiated.pretty ? 2 : undefined)}\n`);
    case "yaml":
      return textBytes(encodeYaml(value));
    case "msgpack":
      return encodeMsgpack(value);
    case "protobuf":
      return protobufOf(value);
  }
}

/** Any object of a kind that the tables know. */
function protobufOf(value: unknown): Bytes {
  const object = record(value);
  const kind = text(object["kind"]);
  const apiVersion = text(object["apiVersion"]);
  if (kind === "PartialObjectMetadata") return envelope(apiVersion, kind, partialMessage(object));
  const type = typeOfKind(apiVersion, kind);
  invariant(type !== undefined, `${apiVersion} ${kind} has a protobuf form`);
  return encodeProtobuf(object, type);
}

const objectMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/** PartialObjectMetadata: metadata = 1. */
function partialMessage(object: Json): Bytes {
  const writer = new BackwardWriter();
  writer.bytesField(1, encodeRaw(record(object["metadata"]), objectMeta));
  return writer.finish();
}

/** A list's answer: the objects' own bytes, one after another. */
export function respondList(info: ResourceInfo, page: Page, options: OutputOptions): Response {
  const { negotiated } = options;
  const meta: Json = {
    resourceVersion: String(page.revision),
    ...(page.continueToken === "" ? {} : { continue: page.continueToken }),
    ...(page.remaining === undefined ? {} : { remainingItemCount: page.remaining }),
  };
  const metaVersion = `meta.k8s.io/${negotiated.metaVersion}`;
  if (negotiated.shape === "table") {
    const rows = page.objects.map(parseBytes);
    return respondValue(200, table(rows, meta, tableOptions(options)), negotiated);
  }
  if (negotiated.shape === "partial") {
    const objects = page.objects.map((object) => partialMetadata(parseBytes(object), metaVersion));
    if (negotiated.encoding === "protobuf") {
      const message = listMessage(meta, objects.map(partialMessage));
      return respondBytes(200, negotiated.contentType, envelope(metaVersion, "PartialObjectMetadataList", message));
    }
    const list = { kind: "PartialObjectMetadataList", apiVersion: metaVersion, metadata: meta, items: objects };
    return respondValue(200, list, negotiated);
  }
  const head = { kind: listKindOf(info), apiVersion: apiVersionOf(info), metadata: meta };
  if (negotiated.encoding === "protobuf") {
    const message = listMessage(meta, page.objects.map((object) => encodeRaw(parseBytes(object), info.type)));
    return respondBytes(200, negotiated.contentType, envelope(head.apiVersion, head.kind, message));
  }
  if (negotiated.encoding !== "json" || negotiated.pretty) {
    return respondValue(200, { ...head, items: page.objects.map(parseBytes) }, negotiated);
  }
  return respondParts(200, negotiated.contentType, jsonList(head, page.objects));
}

const comma = textBytes(",");
const listEnd = textBytes("]}\n");

function jsonList(head: Json, objects: readonly CachedObject[]): Bytes[] {
  const parts: Bytes[] = [textBytes(`${JSON.stringify(head).slice(0, -1)},"items":[`)];
  for (const [index, object] of objects.entries()) {
    if (index > 0) parts.push(comma);
    parts.push(object.bytes);
  }
  parts.push(listEnd);
  return parts;
}

/** How a watch's changes are written: shared frames for plain JSON and msgpack, a frame for each client for the rest. */
export function watchFormat(info: ResourceInfo, options: OutputOptions): WatchFormat {
  const { negotiated } = options;
  const line = frameOf[negotiated.encoding];
  const bookmarkObject = (revision: number, initialEnd: boolean): Json => ({
    kind: info.kind,
    apiVersion: apiVersionOf(info),
    metadata: {
      resourceVersion: String(revision),
      creationTimestamp: null,
      ...(initialEnd ? { annotations: { "k8s.io/initial-events-end": "true" } } : {}),
    },
  });
  const error = (failure: ApiError) => line("ERROR", failure.status);
  if (negotiated.shape === "object") {
    return {
      encode: negotiated.encoding === "json" ? encodeJsonFrame : (type, object) => line(type, parseBytes(object)),
      sharedAs: negotiated.encoding,
      bookmark: (revision, initialEnd) => line("BOOKMARK", bookmarkObject(revision, initialEnd)),
      error,
    };
  }
  const shape = negotiated.shape === "table" ? tableShape(options) : partialShape(negotiated.metaVersion);
  return {
    encode: (type, object) => line(type, shape(parseBytes(object))),
    sharedAs: undefined,
    bookmark: (revision, initialEnd) => line("BOOKMARK", shape(bookmarkObject(revision, initialEnd), true)),
    error,
  };
}

type Reshape = (object: Json, bookmark?: boolean) => unknown;

function tableShape(options: OutputOptions): Reshape {
  let first = true;
  return (object, bookmark = false) => {
    const now = tableOptions(options);
    const { resourceVersion } = record(object["metadata"]);
    const whole = table([], { resourceVersion }, now);
    // A bookmark's row carries the annotation that ends the initial events.
    const rows = bookmark ? [{ cells: [], object: partialMetadata(object, now.apiVersion) }] : [tableRow(object, now)];
    const { columnDefinitions, ...later } = whole;
    const columns = first ? { columnDefinitions } : {};
    first = false;
    return { ...later, ...columns, rows };
  };
}

function partialShape(metaVersion: string): Reshape {
  return (object) => partialMetadata(object, `meta.k8s.io/${metaVersion}`);
}

type FrameType = ChangeType | "BOOKMARK" | "ERROR";

const frameOf: Readonly<Record<Encoding, (type: FrameType, object: unknown) => Bytes>> = {
  json: jsonLine,
  // Never agreed on for a watch.
  yaml: jsonLine,
  msgpack: msgpackFrame,
  protobuf: (type, object) => watchFrame(type, protobufOf(object)),
};

function jsonLine(type: FrameType, object: unknown): Bytes {
  return textBytes(`${JSON.stringify({ type, object })}\n`);
}

function msgpackFrame(type: FrameType, object: unknown): Bytes {
  const body = encodeMsgpack({ type, object });
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, body.length);
  return concatBytes([length, body]);
}
