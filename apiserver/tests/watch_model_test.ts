import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import { settle, start, type TestServer, type TestWatch } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";

/** An informer as small as can be: what it believes the selected objects to be, by name. */
class Client {
  readonly selector: string;
  readonly known = new Map<string, string>();
  revision = 0;
  #watch: TestWatch | null = null;
  #reading: Promise<void> = Promise.resolve();

  constructor(selector: string) {
    this.selector = selector;
  }

  async list(server: TestServer): Promise<void> {
    const { body } = await server.get(`${configMaps}?labelSelector=${this.selector}`);
    this.known.clear();
    for (const item of body.items) this.known.set(item.metadata.name, item.metadata.resourceVersion);
    this.revision = Number(body.metadata.resourceVersion);
  }

  async connect(server: TestServer): Promise<void> {
    await this.disconnect();
    const query = `watch=1&allowWatchBookmarks=true&resourceVersion=${this.revision}&labelSelector=${this.selector}`;
    const watch = await server.watch(`${configMaps}?${query}`);
    assert.equal(watch.response.status, 200);
    this.#watch = watch;
    this.#reading = this.#read(watch);
  }

  async disconnect(): Promise<void> {
    await this.#watch?.cancel();
    await this.#reading;
    this.#watch = null;
  }

  async #read(watch: TestWatch): Promise<void> {
    for (let event = await watch.next(); event !== null; event = await watch.next()) {
      const { name, resourceVersion } = event.object.metadata;
      const revision = Number(resourceVersion);
      assert.ok(revision > this.revision, `${event.type} at ${revision} after ${this.revision}`);
      this.revision = revision;
      switch (event.type) {
        case "ADDED":
          assert.equal(this.known.has(name), false, `${name} ADDED twice`);
          this.known.set(name, resourceVersion);
          break;
        case "MODIFIED":
          assert.equal(this.known.has(name), true, `${name} MODIFIED before ADDED`);
          this.known.set(name, resourceVersion);
          break;
        case "DELETED":
          assert.equal(this.known.delete(name), true, `${name} DELETED before ADDED`);
          break;
      }
    }
  }
}

async function mutate(server: TestServer, random: ReturnType<typeof prng>): Promise<void> {
  const name = `n${random.int(12)}`;
  const labels = { on: random.int(2) === 0 ? "yes" : "no" };
  switch (random.int(4)) {
    case 0:
      await server.post(configMaps, { metadata: { name, labels } });
      break;
    case 1:
      await server.delete(`${configMaps}/${name}`);
      break;
    default:
      await server.patch(`${configMaps}/${name}`, { metadata: { labels }, data: { v: String(random.int(1000)) } });
  }
}

Deno.test("clients that watch, hang up and resume on any of three servers end up with exactly what a list says", async () => {
  for (const seed of [1, 2, 3, 4, 5]) {
    const random = prng(seed);
    await using one = await start({ seed });
    await using two = await start({ seed: seed + 100, store: one.store, time: one.time });
    await using three = await start({ seed: seed + 200, store: one.store, time: one.time });
    const servers = [one, two, three];
    const any = () => servers[random.int(3)] as TestServer;
    const clients = ["", "on%3Dyes", "on!%3Dyes", "missing"].map((selector) => new Client(selector));
    for (const client of clients) {
      await client.list(any());
      await client.connect(any());
    }
    for (let step = 0; step < 200; step++) {
      const writes = [mutate(any(), random)];
      if (random.int(3) === 0) writes.push(mutate(any(), random));
      await Promise.all(writes);
      if (random.int(5) === 0) await (clients[random.int(4)] as Client).connect(any());
      if (random.int(20) === 0) await one.time.advance(60_000);
    }
    await settle();
    for (const client of clients) {
      const { body } = await one.get(`${configMaps}?labelSelector=${client.selector}`);
      const truth = body.items.map((it: { metadata: { name: string; resourceVersion: string } }) =>
        `${it.metadata.name}@${it.metadata.resourceVersion}`
      );
      const believed = [...client.known].map(([name, revision]) => `${name}@${revision}`).sort();
      assert.deepEqual(believed, truth.toSorted(), `seed ${seed}, selector ${client.selector}`);
      await client.disconnect();
    }
  }
});
