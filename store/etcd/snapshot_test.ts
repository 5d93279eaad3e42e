import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createDenoPlatform, http2, sha256 } from "../../platform/deno/mod.ts";
import type { GrpcError, GrpcMethod, GrpcStream } from "../../platform/grpc/mod.ts";
import { createWorld, type World } from "../../platform/sim/mod.ts";
import { createLocalStore } from "../local.ts";
import type { Operation } from "../types.ts";
import { boltDatabase, boltPageBytes, boltPairs } from "./bolt.ts";
import { connectEtcd } from "./etcd_store.ts";
import { createGateway } from "./gateway.ts";
import { Headers } from "./headers.ts";
import { etcdLimits } from "./limits.ts";
import { snapshotService } from "./snapshot.ts";
import { etcdctl, etcdMissing, serveEtcd } from "./test_etcd.ts";

const missing = etcdMissing("etcd") ?? etcdMissing("etcdctl");

Deno.test({
  name:
    `Snapshot: etcdctl saves one from our gateway, and a real etcd restored from it has every pair, lease and revision` +
    (missing === null ? "" : ` (skipped: ${missing})`),
  ignore: missing !== null,
  async fn() {
    const platform = createDenoPlatform({ component: "test", logLevel: "error" });
    const directory = await Deno.makeTempDir({ prefix: "etcd-snapshot-" });
    const store = createLocalStore(platform);
    const put = (key: string, value: string, lease = 0n): Operation => ({
      kind: "put",
      key: utf8(key),
      value: utf8(value),
      lease,
    });
    const run = (success: Operation[]) => store.txn({ compare: [], success, failure: [] });
    const { id } = await store.leaseGrant(1000);
    for (let i = 0; i < 8; i++) await run(Array.from({ length: 100 }, (_, k) => put(`/k/${i}/${k}`, "v".repeat(k))));
    await run([put("/big", "x".repeat(300_000)), put("/leased", "v", id)]);
    await run([put("/k/0/0", "again")]);
    await run([put("/gone", "v")]);
    const last = await run([{ kind: "delete", key: utf8("/gone") }]);
    const config = { clusterId: "test", memberId: "local", clientUrl: () => null, scratchDirectory: directory };
    const gateway = createGateway(config, { store, own: store }, { ...platform, sha256 });
    const server = await http2.serve({ address: "tcp:127.0.0.1:0", onStream: gateway.handler });
    const file = `${directory}/snapshot.db`;
    await etcdctl([server.address], ["snapshot", "save", file]);
    await server.close();
    const { stdout } = await etcdctl([], ["snapshot", "status", file, "-w", "json"]);
    const status: unknown = JSON.parse(stdout);
    assert.equal(
      typeof status === "object" && status !== null && "totalKey" in status && status.totalKey,
      806,
      "pairs, the lease, what etcd keeps of itself",
    );

    const peer = "http://127.0.0.1:1"; // never dialled: it is alone
    await etcdctl([], [
      ...["snapshot", "restore", file, "--data-dir", `${directory}/restored`, "--name", "m0"],
      ...["--initial-cluster", `m0=${peer}`, "--initial-advertise-peer-urls", peer],
    ]);
    const etcd = serveEtcd(`${directory}/restored`);
    const restored = connectEtcd({ endpoints: [etcd.endpoint], requestTimeoutMs: 30_000 }, {
      ...platform,
      dialHttp2: http2.dial,
    });
    const all = { key: utf8("/"), rangeEnd: utf8("0") };
    const [ours, theirs] = [await store.range(all), await restored.range(all)];
    assert.deepEqual(theirs.kvs.length, 802);
    for (const [i, kv] of ours.kvs.entries()) assert.deepEqual(theirs.kvs[i], kv, fromUtf8(kv.key));
    assert.equal(theirs.revision, last.revision);
    assert.deepEqual(await restored.leases(), [id]);
    restored.close();
    await etcd.stop();
    gateway.close();
    store.close();
    await Deno.remove(directory, { recursive: true });
  },
});

Deno.test("boltDatabase() makes whole pages, in order, whatever the sizes", () => {
  for (const count of [0, 1, 30, 5000]) {
    const pairs = Array.from(
      { length: count },
      (_, i): [Uint8Array, Uint8Array] => [utf8(`k${i}`), new Uint8Array(i % 50 === 0 ? 9_000 : 20)],
    );
    const { bytes, pages } = boltDatabase([{ name: "b", pairs: boltPairs(pairs) }, {
      name: "a",
      pairs: boltPairs([]),
    }]);
    let at = 0;
    for (const page of pages) {
      assert.equal(page.length % boltPageBytes, 0);
      if (at >= 2 * boltPageBytes) {
        assert.equal(new DataView(page.buffer).getBigUint64(0, true), BigInt(at / boltPageBytes));
      }
      at += page.length;
    }
    assert.equal(at, bytes);
  }
});

/** A client of Snapshot that reads when it is told to, and what its gateway's scratch files take. */
async function withSnapshots(run: (scene: SnapshotScene) => Promise<void>): Promise<void> {
  const world = createWorld({ seed: 1 });
  const { platform } = world.host("here");
  const store = createLocalStore(platform);
  const value = new Uint8Array(100_000);
  for (let i = 0; i < 150; i++) {
    await store.txn({ compare: [], success: [{ kind: "put", key: utf8(`k${i % 120}`), value }], failure: [] });
  }
  const headers = new Headers({ clusterId: "c", memberId: "m", own: store, ...platform });
  let open = 0;
  const openScratch = () => {
    const scratch = platform.disk.openScratch("/");
    open++;
    return { ...scratch, close: () => (open--, scratch.close()) };
  };
  const [[, method]] = snapshotService({ ...platform, store, own: store, headers, sha256, openScratch }) as [
    [string, GrpcMethod],
  ];
  assert.ok(method.kind === "stream");
  const ask = () => {
    const abort = new AbortController();
    const ended = Promise.withResolvers<GrpcError | undefined>();
    const client = {
      waiting: 0,
      read: 0,
      ended: ended.promise,
      abort,
      call: {
        metadata: new Map<string, string>(),
        signal: abort.signal,
        onMessage: (_message: Uint8Array) => {},
        onEnd: () => {},
        peer: null,
        onDrained: () => {},
        get bufferedBytes() {
          return client.waiting;
        },
        send: (message: Uint8Array) => void (client.waiting += message.length),
        end: (error?: GrpcError) => ended.resolve(error),
      },
      drain() {
        client.read += client.waiting;
        client.waiting = 0;
        client.call.onDrained();
      },
    };
    method.open(client.call);
    client.call.onMessage(new Uint8Array(0));
    return client;
  };
  await run({ world, ask, open: () => open });
  headers.close();
  store.close();
}

interface SnapshotScene {
  readonly world: World;
  readonly ask: () => {
    waiting: number;
    read: number;
    readonly ended: Promise<GrpcError | undefined>;
    readonly abort: AbortController;
    readonly call: GrpcStream;
    drain(): void;
  };
  readonly open: () => number;
}

Deno.test("Snapshot waits for a client that does not read, with a few megabytes for it, and goes on where it was", async () => {
  await withSnapshots(async ({ world, ask, open }) => {
    const client = ask();
    let over: GrpcError | "ok" | null = null;
    void client.ended.then((error) => over = error ?? "ok");
    let pauses = 0;
    while (over === null) {
      await world.run(world.nowMs + 1_000);
      assert.ok(client.waiting < etcdLimits.streamCongestedBytes + 500_000, `${client.waiting} bytes wait`);
      if (over === null) pauses++;
      client.drain();
    }
    assert.equal(over, "ok");
    assert.ok(pauses >= 2 && client.read > 120 * 100_000, `${pauses} pauses, ${client.read} bytes`);
    assert.equal(open(), 0);
  });
});

Deno.test("Snapshot: who goes away takes its scratch file along; more than a few at once are refused", async () => {
  await withSnapshots(async ({ world, ask, open }) => {
    const clients = Array.from({ length: etcdLimits.snapshotsMax }, ask);
    await world.run(world.nowMs + 1_000);
    assert.equal(open(), etcdLimits.snapshotsMax);
    const refused = await world.complete(ask().ended);
    assert.equal(refused?.message, "etcdserver: too many requests");
    for (const { abort } of clients) abort.abort();
    await world.run(world.nowMs + 1_000);
    assert.equal(open(), 0);
    const again = ask();
    await world.run(world.nowMs + 1_000);
    assert.equal(open(), 1);
    again.abort.abort();
    await world.run(world.nowMs + 1_000);
  });
});
