import assert from "node:assert/strict";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import type { ByteConnection, Listener } from "../../platform/mod.ts";
import type { Endpoint, Route, RouteTable } from "../core/table.ts";
import { routeKey } from "../core/table.ts";
import { createUserspaceDataplane, type Dataplane } from "./userspace.ts";

const platform = createDenoPlatform({ component: "test", logLevel: "error" });
const { streams } = platform.network;
const clusterIP = "127.247.240.1";

function table(endpoints: readonly Endpoint[], over: Partial<Route> = {}): RouteTable {
  const route: Route = {
    name: "ns/web:http",
    protocol: "TCP",
    clusterIP,
    port: 8080,
    nodePort: 0,
    endpoints,
    internalLocal: null,
    externalLocal: null,
    affinityMs: 0,
    ...over,
  };
  return new Map([[routeKey(route.clusterIP, route.port, route.protocol), route]]);
}

async function readAll(connection: ByteConnection): Promise<string> {
  const buffer = new Uint8Array(4096);
  const decoder = new TextDecoder();
  let text = "";
  for (;;) {
    const count = await connection.read(buffer);
    if (count === null) return text;
    text += decoder.decode(buffer.subarray(0, count), { stream: true });
  }
}

/** Answers with its name and all that the client sent, after the client's end. */
async function backend(ip: string): Promise<{ listener: Listener; endpoint: Endpoint; reached: Promise<void> }> {
  const reached = Promise.withResolvers<void>();
  const listener = await streams.listen(`tcp:${ip}:8080`, {}, (connection) => {
    reached.resolve();
    void (async () => {
      const text = await readAll(connection);
      await connection.write(new TextEncoder().encode(`${ip} got ${text}`));
      await connection.closeWrite();
      await readAll(connection);
      connection.close();
    })().catch(() => connection.close());
  });
  return { listener, endpoint: { ip, port: 8080, node: "" }, reached: reached.promise };
}

async function ask(text: string, address = `tcp:${clusterIP}:8080`): Promise<string> {
  const connection = await streams.dial(address);
  try {
    await connection.write(new TextEncoder().encode(text));
    await connection.closeWrite();
    return await readAll(connection);
  } finally {
    connection.close();
  }
}

async function withDataplane(
  body: (dataplane: Dataplane) => Promise<void>,
  nodeAddress: string | null = null,
): Promise<void> {
  const dataplane = createUserspaceDataplane(nodeAddress, { ...platform, streams });
  try {
    await body(dataplane);
  } finally {
    await dataplane.stop();
  }
}

Deno.test("the userspace data plane carries both directions, with half-close", () =>
  withDataplane(async (dataplane) => {
    const one = await backend("127.247.1.1");
    await dataplane.apply(table([one.endpoint]));
    assert.equal(await ask("hello"), "127.247.1.1 got hello");
    const large = "x".repeat(3_000_000);
    assert.equal((await ask(large)).length, large.length + "127.247.1.1 got ".length);
    await one.listener.close();
  }));

Deno.test("the userspace data plane tries another endpoint when one does not answer, and closes when none does", () =>
  withDataplane(async (dataplane) => {
    const one = await backend("127.247.1.1");
    const gone: Endpoint = { ip: "127.247.1.99", port: 8080, node: "" };
    await dataplane.apply(table([gone, one.endpoint]));
    for (let i = 0; i < 20; i++) assert.equal(await ask("a"), "127.247.1.1 got a");
    await dataplane.apply(table([gone]));
    await assert.doesNotReject(ask("b").then((text) => assert.equal(text, ""), () => {}));
    await one.listener.close();
  }));

Deno.test("a new table concerns new connections; an open one keeps its endpoint", () =>
  withDataplane(async (dataplane) => {
    const [one, two] = [await backend("127.247.1.1"), await backend("127.247.1.2")];
    await dataplane.apply(table([one.endpoint]));
    const open = await streams.dial(`tcp:${clusterIP}:8080`);
    await open.write(new TextEncoder().encode("early"));
    await one.reached;
    await dataplane.apply(table([two.endpoint]));
    assert.equal(await ask("late"), "127.247.1.2 got late");
    await open.closeWrite();
    assert.equal(await readAll(open), "127.247.1.1 got early");
    open.close();
    await dataplane.apply(new Map());
    await assert.rejects(ask("nobody"));
    await one.listener.close();
    await two.listener.close();
  }));

Deno.test("a node port leads to the service, and two proxies share one address", () =>
  withDataplane(async (dataplane) => {
    const one = await backend("127.247.1.1");
    await dataplane.apply(table([one.endpoint], { nodePort: 30_080 }));
    await withDataplane(async (other) => {
      await other.apply(table([one.endpoint]));
      for (let i = 0; i < 10; i++) assert.equal(await ask("n"), "127.247.1.1 got n");
    });
    assert.equal(await ask("n", "tcp:127.247.0.9:30080"), "127.247.1.1 got n");
    await one.listener.close();
  }, "127.247.0.9"));
