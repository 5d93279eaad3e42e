import { admin, type TestServer } from "../../apiserver/testing.ts";
import type { Transport } from "../../client/mod.ts";

/** A client's way to a server in this process, as an administrator. */
export function inProcess({ server }: TestServer): Transport {
  return async (path, { method, headers, body, signal }) => {
    const request = new Request(`https://test${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: new Uint8Array(body) }),
    });
    const response = await server.handle(request, {
      peer: admin,
      remoteAddress: "127.0.0.1",
      upgradeWebSocket: () => {
        throw new Error("nothing upgrades");
      },
    });
    if (response.body === null || signal === undefined) return response;
    // What fetch does with a signal: the body ends when it aborts.
    const reader = response.body.getReader();
    const aborted = Promise.withResolvers<never>();
    aborted.promise.catch(() => {});
    signal.addEventListener("abort", () => {
      aborted.reject(signal.reason);
      reader.cancel().catch(() => {});
    }, { once: true });
    const passed = new ReadableStream<Uint8Array>({
      async pull(sink) {
        const { done, value } = await Promise.race([reader.read(), aborted.promise]);
        if (done) sink.close();
        else sink.enqueue(value);
      },
      cancel: () => reader.cancel(),
    });
    return new Response(passed, { status: response.status, headers: response.headers });
  };
}
