import { requestEntityTooLarge, timeout } from "../../api/status.ts";
import { concatBytes } from "../../base/bytes.ts";
import type { Timers } from "../../platform/mod.ts";
import type { Filter } from "../exchange.ts";
import { limits } from "../limits.ts";

/**
 * Reads the request body, at most {@linkcode limits.requestBodyBytes} of it, within {@linkcode limits.requestBodyMs}: it
 * holds a seat of its priority level meanwhile. After authorization: strangers send nothing.
 */
export function readBody(timers: Pick<Timers, "schedule">): Filter {
  return async (exchange, next) => {
    const { request } = exchange;
    if (request.body !== null && request.method !== "GET" && request.method !== "HEAD") {
      const announced = request.headers.get("content-length") ?? "";
      // An announced length is held by the HTTP server. Without one, or with the same one twice (`5, 5`, which it
      // allows), the stream itself is counted.
      const length = /^\d+$/.test(announced) ? Number(announced) : null;
      if (length !== null && length > limits.requestBodyBytes) throw tooLarge();
      exchange.body = await inTime(timers, length === null ? readAll(request.body) : readWhole(request));
      if (exchange.audit !== undefined) exchange.audit.body = exchange.body;
    }
    return await next(exchange);
  };
}

/** What is still to come when it is too late is nobody's: the server cuts it off with the end of the answer. */
async function inTime<T>(timers: Pick<Timers, "schedule">, reading: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = timers.schedule(
    limits.requestBodyMs,
    () => late.reject(timeout("request did not complete within the allotted timeout")),
  );
  try {
    return await Promise.race([reading, late.promise]);
  } finally {
    timer.cancel();
  }
}

async function readWhole(request: Request): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await request.arrayBuffer());
}

async function readAll(stream: ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of stream) {
    length += part.length;
    // Leaving the loop cancels the stream.
    if (length > limits.requestBodyBytes) throw tooLarge();
    parts.push(part);
  }
  return concatBytes(parts);
}

function tooLarge() {
  return requestEntityTooLarge(`limit is ${limits.requestBodyBytes}`);
}
