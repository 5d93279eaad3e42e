import { concatBytes } from "../../base/bytes.ts";
import { requestEntityTooLarge } from "../../api/status.ts";
import type { Exchange, Handler } from "../exchange.ts";
import { limits } from "../limits.ts";

/** Reads the request body, at most {@linkcode limits.requestBodyBytes} of it. After authorization: strangers send nothing. */
export async function readBody(exchange: Exchange, next: Handler): Promise<Response> {
  const { request } = exchange;
  if (request.body !== null && request.method !== "GET" && request.method !== "HEAD") {
    const announced = request.headers.get("content-length") ?? "";
    // An announced length is held by the HTTP server. Without one, or with the same one twice (`5, 5`, which it allows),
    // the stream itself is counted.
    const length = /^\d+$/.test(announced) ? Number(announced) : null;
    if (length !== null && length > limits.requestBodyBytes) throw tooLarge();
    exchange.body = length === null ? await readAll(request.body) : new Uint8Array(await request.arrayBuffer());
    if (exchange.audit !== undefined) exchange.audit.body = exchange.body;
  }
  return await next(exchange);
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
