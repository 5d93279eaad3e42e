import type { HttpsCall } from "../mod.ts";

/** Statuses whose Response may have no body. */
const bodiless: ReadonlySet<number> = new Set([101, 204, 205, 304]);

/**
 * One request over TLS with the roots, the client certificate and the place of the caller's choosing: the server's
 * certificate is verified against the URL's host while the connection goes to `via`. Deno's own fetch can do neither.
 * Never follows a redirect; the body streams, and cancelling it ends the connection.
 */
export async function callHttps(call: HttpsCall): Promise<Response> {
  const { request } = await import("node:https");
  const { Readable } = await import("node:stream");
  const url = new URL(call.url);
  const port = url.port === "" ? 443 : Number(url.port);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const { body, ca, identity } = call;
  return await new Promise((resolve, reject) => {
    const sent = request({
      method: call.method,
      host: call.via?.hostname ?? hostname,
      port: call.via?.port ?? port,
      ...(/^[\d.]+$|:/.test(hostname) ? {} : { servername: hostname }),
      path: `${url.pathname}${url.search}`,
      agent: false,
      signal: call.signal,
      headers: {
        host: url.host,
        ...lines(call.headers),
        ...(body === null ? {} : { "content-length": body.length }),
        connection: "close",
      },
      rejectUnauthorized: call.insecure !== true,
      ...(ca === undefined ? {} : { ca }),
      ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
    }, (answer) => {
      const headers = new Headers();
      for (const [name, values] of Object.entries(answer.headersDistinct)) {
        for (const value of values ?? []) headers.append(name, value);
      }
      const status = answer.statusCode ?? 500;
      if (bodiless.has(status) || call.method === "HEAD") {
        answer.resume();
        return resolve(new Response(null, { status, headers }));
      }
      // The web's streams and node's are the same bytes; only the declared types differ.
      const stream = Readable.toWeb(answer) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>;
      resolve(new Response(stream, { status, headers }));
    });
    sent.on("error", reject);
    // Deno 2.9.6 writes several pieces at once in UTF-8, whatever their encoding: head and body must go one by one, or
    // each byte of a value beyond ASCII would become two.
    if (call.headers.some(([, value]) => /[^\0-\x7f]/.test(value))) {
      sent.once("socket", (socket) => void Reflect.set(socket, "_writev", null));
    }
    sent.end(body ?? undefined);
  });
}

function lines(headers: HttpsCall["headers"]): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const [name, value] of headers) (found[name] ??= []).push(value);
  return found;
}
