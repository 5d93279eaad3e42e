import { concatBytes, utf8 } from "../base/bytes.ts";
import { ApiError, type Status } from "../api/status.ts";
import { encodeYaml } from "../api/codec/mod.ts";
import { BytesResponse, PartsResponse } from "../platform/bytes_response.ts";
import { limits } from "./limits.ts";
import { type Encoding, negotiate } from "./negotiate.ts";
import { encodeProtobuf } from "./protobuf/encode.ts";

export type Bytes = Uint8Array<ArrayBuffer>;

/** UTF-8 in a buffer of its own kind, as Response bodies want it. */
export function textBytes(text: string): Bytes {
  return new Uint8Array(utf8(text));
}

export function respondBytes(code: number, contentType: string, body: Bytes): Response {
  return new BytesResponse(body, { status: code, headers: headersOf(contentType, body.length) });
}

/** Only what may be worth compressing needs to say how long it is: for the rest the HTTP server counts. */
function headersOf(contentType: string, length: number): Record<string, string> {
  if (length <= limits.gzipBytes) return { "content-type": contentType };
  return { "content-type": contentType, "content-length": String(length) };
}

export function respondJson(code: number, value: unknown): Response {
  return respondBytes(code, "application/json", textBytes(`${JSON.stringify(value)}\n`));
}

export function respondText(code: number, text: string): Response {
  return respondBytes(code, "text/plain; charset=utf-8", textBytes(text));
}

/** @param encoding what the client reads best; msgpack clients read JSON here too */
export function respondStatus(status: Status, encoding: Encoding = "json"): Response {
  const code = status.code ?? (status.status === "Success" ? 200 : 500);
  const response = encodedStatus(code, status, encoding);
  const seconds = status.details?.retryAfterSeconds;
  if (seconds !== undefined && seconds > 0) response.headers.set("retry-after", String(seconds));
  return response;
}

function encodedStatus(code: number, status: Status, encoding: Encoding): Response {
  switch (encoding) {
    case "protobuf":
      return respondBytes(code, "application/vnd.kubernetes.protobuf", encodeProtobuf({ ...status }, statusType));
    case "yaml":
      return respondBytes(code, "application/yaml", textBytes(encodeYaml(status)));
    default:
      return respondJson(code, status);
  }
}

const statusType = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";

/**
 * An error's answer in the encoding that the client asked for: its Status, or for a bug a Status that tells nothing of
 * our insides. @param accept the request's Accept header
 */
export function respondError(error: unknown, accept: string | null = null): Response {
  const encoding = negotiate(accept, { watch: false, shapes: true, pretty: false })?.encoding;
  return respondStatus(error instanceof ApiError ? error.status : internalStatus, encoding);
}

const internalStatus: Status = {
  kind: "Status",
  apiVersion: "v1",
  metadata: {},
  status: "Failure",
  message: "Internal error occurred: this request caused apiserver to panic. Look in the logs for details.",
  reason: "InternalError",
  code: 500,
};

/** Joined when small; a list of everything is never held twice. */
export function respondParts(code: number, contentType: string, parts: readonly Uint8Array[]): Response {
  let length = 0;
  for (const part of parts) length += part.length;
  if (length <= limits.listJoinBytes) return respondBytes(code, contentType, concatBytes(parts));
  return new PartsResponse(parts, limits.chunkBytes, { status: code, headers: headersOf(contentType, length) });
}

/** Go's own answer to a path that nothing serves. */
export function pageNotFound(): Response {
  const response = respondText(404, "404 page not found\n");
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}
