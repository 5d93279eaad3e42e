import assert from "node:assert/strict";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { createWorld, type SimHost, type World } from "../../platform/sim/mod.ts";
import type { DatagramSocket, Platform } from "../../platform/mod.ts";
import { type Endpoint, type Route, routeKey, type RouteTable } from "../core/table.ts";
import * as limits from "../limits.ts";
import { createDatagramDataplane, type DatagramDataplane } from "./datagrams.ts";

const clusterIP = "127.246.240.1";
const service = { host: clusterIP, port: 5353 };

function table(endpoints: readonly Endpoint[]): RouteTable {
  const route: Route = {
    name: "ns/dns:dns",
    protocol: "UDP",
    clusterIP,
    port: service.port,
    nodePort: 0,
    endpoints,
    internalLocal: null,
    externalLocal: null,
    affinityMs: 0,
  };
  return new Map([[routeKey(clusterIP, service.port, "UDP"), route]]);
}

function planeOf(platform: Platform): DatagramDataplane {
  return createDatagramDataplane(null, { ...platform, datagrams: platform.network.datagrams });
}

/** Answers each datagram with its own address, the sender's port, and the text. */
async function backend(platform: Platform, host: string): Promise<{ endpoint: Endpoint; socket: DatagramSocket }> {
  const socket = await platform.network.datagrams.bind({ host, port: 5300 }, (datagram, from) => {
    const text = `${host} ${from.port} ${new TextDecoder().decode(datagram)}`;
    socket.send(new TextEncoder().encode(text), from);
  });
  return { endpoint: { ip: host, port: 5300, node: "" }, socket };
}

class Client {
  readonly answers: string[] = [];
  #socket: DatagramSocket | null = null;

  static async bind(platform: Platform, host = "127.0.0.1"): Promise<Client> {
    const client = new Client();
    client.#socket = await platform.network.datagrams.bind({ host, port: 0 }, (datagram, from) => {
      assert.deepEqual(from, service, "the service answers, not the endpoint");
      client.answers.push(new TextDecoder().decode(datagram));
    });
    return client;
  }

  send(text: string): void {
    this.#socket?.send(new TextEncoder().encode(text), service);
  }

  async close(): Promise<void> {
    await this.#socket?.close();
  }
}

/** Simulated: two machines for proxies, one with two backends, and a client's. */
interface Scene {
  readonly world: World;
  readonly proxies: readonly [SimHost, SimHost];
  readonly endpoints: readonly Endpoint[];
  readonly client: Client;
  ask(client: Client, text: string): Promise<string>;
}

async function scene(): Promise<Scene> {
  const world = createWorld({ seed: 7 });
  const pods = world.host("pods").platform;
  const backends = await world.complete(Promise.all(["127.246.1.1", "127.246.1.2"].map((ip) => backend(pods, ip))));
  const client = await world.complete(Client.bind(world.host("client").platform));
  return {
    world,
    proxies: [world.host("proxy-0"), world.host("proxy-1")],
    endpoints: backends.map((each) => each.endpoint),
    client,
    async ask(of, text) {
      const before = of.answers.length;
      of.send(text);
      await world.runUntil(() => of.answers.length > before, world.nowMs + 100);
      return of.answers[before] ?? "";
    },
  };
}

Deno.test("the UDP data plane sends a client's datagrams to one endpoint, and other clients' to others (real sockets)", async () => {
  const platform = createDenoPlatform({ component: "test", logLevel: "error" });
  const backends = [await backend(platform, "127.246.1.1"), await backend(platform, "127.246.1.2")];
  const plane = planeOf(platform);
  await plane.apply(table(backends.map((each) => each.endpoint)));
  const clients = await Promise.all(Array.from({ length: 40 }, () => Client.bind(platform)));
  for (const client of clients) for (const text of ["a", "b", "c"]) client.send(text);
  const deadline = performance.now() + 5000;
  while (clients.some((client) => client.answers.length < 3) && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const used = new Map<string, number>();
  for (const { answers } of clients) {
    assert.deepEqual(answers.map((each) => each.at(-1)), ["a", "b", "c"]);
    const sources = new Set(answers.map((each) => each.slice(0, -2)));
    assert.equal(sources.size, 1, "one endpoint, reached from one socket");
    const [ip = ""] = [...sources].map((each) => each.split(" ")[0]);
    used.set(ip, (used.get(ip) ?? 0) + 1);
  }
  assert.equal(used.size, 2);
  for (const client of clients) await client.close();
  await plane.stop();
  for (const { socket } of backends) await socket.close();
});

Deno.test("the UDP data plane moves a client when its endpoint has gone, and drops what no endpoint can take", async () => {
  const { world, proxies, endpoints, client, ask } = await scene();
  const plane = planeOf(proxies[0].platform);
  await world.complete(plane.apply(table(endpoints)));
  const first = (await ask(client, "x")).split(" ")[0];
  assert.ok(first !== undefined && first !== "");
  for (let i = 0; i < 10; i++) assert.equal((await ask(client, "x")).split(" ")[0], first);
  const rest = endpoints.filter((each) => each.ip !== first);
  await world.complete(plane.apply(table(rest)));
  assert.equal((await ask(client, "x")).split(" ")[0], rest[0]?.ip);
  await world.complete(plane.apply(table([])));
  assert.equal(await ask(client, "x"), "");
  await world.complete(plane.stop());
});

Deno.test("the UDP data plane forgets a client after the idle time, and not before", async () => {
  const { world, proxies, endpoints, client, ask } = await scene();
  const plane = planeOf(proxies[0].platform);
  await world.complete(plane.apply(table(endpoints.slice(0, 1))));
  const source = async () => (await ask(client, "x")).split(" ")[1];
  const first = await source();
  await world.run(world.nowMs + limits.flowIdleMs - 1000);
  assert.equal(await source(), first, "its socket is still the same");
  await world.run(world.nowMs + limits.flowIdleMs * 1.3);
  assert.notEqual(await source(), first, "another socket");
  await world.complete(plane.stop());
});

Deno.test("one proxy serves an address over UDP; when it dies, another takes over", async () => {
  const { world, proxies, endpoints, client, ask } = await scene();
  const [first, second] = [planeOf(proxies[0].platform), planeOf(proxies[1].platform)];
  for (const plane of [first, second]) await world.complete(plane.apply(table(endpoints)));
  assert.match(await ask(client, "before"), /before$/);
  proxies[0].crash();
  assert.equal(await ask(client, "lost"), "");
  await world.run(world.nowMs + 2 * limits.electionRetryMs);
  assert.match(await ask(client, "after"), /after$/);
  await world.complete(second.stop());
});
