import type { ApiServer } from "../../apiserver/mod.ts";
import { admin, start } from "../../apiserver/testing.ts";
import { serveRequests } from "../../platform/deno/http2_requests.ts";
import { manualTime } from "../../platform/deno/manual_time.ts";
import type { Wire } from "../../platform/deno/wire.ts";
import { Http2Connection } from "../../platform/http2/mod.ts";
import { usedBytes } from "./memory.ts";

const streamsPerConnection = 200;

/**
 * What an open watch on which nothing happens holds: heap and buffers after a full collection, from the HTTP/2 stream to
 * the watch cache. The client's end, without TLS, is in this process too and counts.
 */
export async function idleWatchBytes(count: number): Promise<number> {
  await using server = await start();
  const path = "/api/v1/namespaces/default/configmaps?watch=true&allowWatchBookmarks=true&resourceVersion=";
  const { body } = await server.get("/api/v1/namespaces/default/configmaps");
  const fields: [string, string][] = [
    [":method", "GET"],
    [":scheme", "https"],
    [":authority", "localhost"],
    [":path", path + body.metadata.resourceVersion],
    ["accept", "application/json"],
    ["user-agent", "sauropod-bench"],
  ];
  const clients: Http2Connection[] = [];
  const open = async (streams: number) => {
    for (let i = 0; i < streams; i++) {
      if (i % streamsPerConnection === 0) clients.push(connect(server.server));
      const { promise, resolve } = Promise.withResolvers<void>();
      const stream = clients.at(-1)?.open(fields, true);
      if (stream === undefined) throw new Error("No connection");
      stream.onHeaders = (answer) => answer.some(([name, value]) => name === ":status" && value === "200") && resolve();
      await promise;
    }
  };
  await open(streamsPerConnection);
  const before = await usedBytes();
  await open(count);
  const spent = await usedBytes() - before;
  for (const client of clients) client.close();
  return spent / count;
}

/** Both ends of a connection, without a socket. */
function connect(server: ApiServer): Http2Connection {
  let toServer: (bytes: Uint8Array) => void = () => {};
  let ended: () => void = () => {};
  const client: Http2Connection = new Http2Connection({
    role: "client",
    write: async (bytes) => toServer(bytes.slice()),
    end: () => ended(),
    now: () => performance.now(),
  });
  const wire: Wire = {
    start(onData, onEnd) {
      toServer = onData;
      ended = () => onEnd();
    },
    write: async (bytes) => client.receive(bytes.slice()),
    close: () => client.ended(),
    destroy: () => {},
  };
  const context = {
    peer: admin,
    remoteAddress: "127.0.0.1",
    upgradeWebSocket: () => {
      throw new Error("Nothing is upgraded here");
    },
  };
  serveRequests(wire, (request) => server.handle(request, context), manualTime());
  return client;
}
