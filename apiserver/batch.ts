import {
  type BatchAnswer,
  BatchError,
  type BatchRequest,
  batchType,
  decodeBatchRequests,
  encodeBatchAnswers,
  maxBatchBytes,
} from "../api/batch.ts";
import { badRequest, methodNotAllowed, requestEntityTooLarge } from "../api/status.ts";
import { headerLines } from "../platform/header_lines.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { isLongRunning, isReadOnly } from "./exchange.ts";
import { respondBytes } from "./respond.ts";

/**
 * `POST /apis/sauropod.dev/v1/batch`: many small writes for the price of one HTTP exchange, for schedulers (binds,
 * Events) and simulated nodes (statuses, heartbeats). Every request in it goes through the whole chain by itself, with the
 * caller's identity: authentication, authorization, audit, admission, in-flight bound. Nothing is promised of all of
 * them together: they run side by side, their store transactions leave in the same turn, and each has its own answer.
 * @param handle the chain that a request of its own would go through
 * @param exchangeOf an exchange for a request that has not been through any filter
 */
export function handleBatch(
  handle: Handler,
  exchangeOf: (request: Request, body: Uint8Array<ArrayBuffer>) => Exchange,
): Handler {
  return async (exchange) => {
    const { request, body } = exchange;
    if (request.method !== "POST") {
      throw methodNotAllowed({ group: "sauropod.dev", resource: "batch" }, request.method.toLowerCase());
    }
    if (body.length > maxBatchBytes) throw requestEntityTooLarge(`limit is ${maxBatchBytes}`);
    const requests = decoded(body);
    const inherited = inheritedHeaders(request.headers);
    const base = new URL(request.url).origin;
    const exchanges = requests.map((each) => {
      const own: [string, string][] = [["content-type", each.contentType], ["accept", each.accept]];
      const headers = [...inherited, ...own];
      return exchangeOf(new Request(base + each.path, { method: each.method, headers }), ownBytes(each.body));
    });
    for (const { info } of exchanges) {
      if (isReadOnly(info.method) || isLongRunning(info) || info.kind !== "resource") {
        throw badRequest(`a batch holds writes of resources only, not ${info.method} ${info.path}`);
      }
    }
    const answers = await Promise.all(exchanges.map(async (each) => await answerOf(await handle(each))));
    return respondBytes(200, batchType, encodeBatchAnswers(answers));
  };
}

function decoded(body: Uint8Array): BatchRequest[] {
  try {
    const requests = decodeBatchRequests(body);
    for (const { path } of requests) if (!path.startsWith("/")) throw new BatchError(`the path is ${path}`);
    return requests;
  } catch (error) {
    if (error instanceof BatchError) throw badRequest(`the batch cannot be read: ${error.message}`);
    throw error;
  }
}

/** What says who asks, and on whose behalf: each filter judges it anew for each request. */
function inheritedHeaders(headers: Headers): [string, string][] {
  const inherited: [string, string][] = [];
  for (const [given, value] of headerLines(headers) ?? headers) {
    const name = given.toLowerCase();
    const kept = name === "authorization" || name === "user-agent" || name.startsWith("impersonate-") ||
      name.startsWith("x-remote-") || name === "origin" || name === "sec-fetch-site" || name === "traceparent";
    if (kept) inherited.push([name, value]);
  }
  return inherited;
}

function ownBytes(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes.buffer instanceof ArrayBuffer
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}

async function answerOf(response: Response): Promise<BatchAnswer> {
  const { status, headers } = response;
  const warning = headers.get("warning");
  return {
    status,
    contentType: headers.get("content-type") ?? "",
    retryAfter: headers.get("retry-after") ?? "",
    warnings: warning === null ? [] : [warning],
    body: new Uint8Array(await response.arrayBuffer()),
  };
}
