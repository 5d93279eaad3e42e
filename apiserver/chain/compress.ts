import { type Exchange, type Handler, isLongRunning } from "../exchange.ts";
import { limits } from "../limits.ts";

/**
 * Answers that are long enough leave compressed where the client takes that. Watches and streams do not: what they say
 * must not wait in a compressor. @see kubernetes apiserver responsewriters (APIResponseCompression)
 */
export async function compress(exchange: Exchange, next: Handler): Promise<Response> {
  const response = await next(exchange);
  const { headers } = response;
  // Only answers of objects and documents say their length; see respondBytes() and respondParts().
  const length = Number(headers.get("content-length") ?? 0);
  if (length <= limits.gzipBytes || isLongRunning(exchange.info)) return response;
  if (headers.has("content-encoding") || !takesGzip(exchange.request.headers)) return response;
  // Asked for last: it makes a stream of what was bytes.
  const { body } = response;
  if (body === null) return response;
  const compressed = new Response(body.pipeThrough(new CompressionStream("gzip")), {
    status: response.status,
    headers,
  });
  compressed.headers.delete("content-length");
  compressed.headers.set("content-encoding", "gzip");
  compressed.headers.append("vary", "Accept-Encoding");
  return compressed;
}

/** As upstream reads it: the name alone, whatever its weight, and never for clients that ask for identity only. */
function takesGzip(headers: Headers): boolean {
  const accepted = headers.get("accept-encoding") ?? "";
  return accepted.split(",").some((part) => part.trim().split(";")[0]?.trim() === "gzip");
}
