import type { HttpsPost } from "../mod.ts";

/**
 * POST over TLS with the roots and the place of the caller's choosing: the certificate is verified against the URL's host
 * while the connection goes to `via`. Deno's own fetch can do neither. Never follows a redirect.
 */
export async function postHttps(post: HttpsPost): Promise<Response> {
  const { request } = await import("node:https");
  const { Readable } = await import("node:stream");
  const url = new URL(post.url);
  const port = url.port === "" ? 443 : Number(url.port);
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  return await new Promise((resolve, reject) => {
    const sent = request({
      method: "POST",
      host: post.via?.hostname ?? hostname,
      port: post.via?.port ?? port,
      ...(/^[\d.]+$|:/.test(hostname) ? {} : { servername: hostname }),
      path: `${url.pathname}${url.search}`,
      agent: false,
      signal: post.signal,
      headers: {
        host: url.host,
        accept: "application/json",
        "content-type": "application/json",
        "content-length": new TextEncoder().encode(post.body).length,
        connection: "close",
      },
      ...(post.ca === undefined ? {} : { ca: post.ca }),
    }, (answer) => {
      // The web's streams and node's are the same bytes; only the declared types differ.
      const body = Readable.toWeb(answer) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>;
      resolve(new Response(body, { status: answer.statusCode ?? 500 }));
    });
    sent.on("error", reject);
    sent.end(post.body);
  });
}
