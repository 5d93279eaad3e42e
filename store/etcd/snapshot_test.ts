import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { createDenoPlatform, http2, sha256 } from "../../platform/deno/mod.ts";
import { createLocalStore } from "../local.ts";
import type { Operation } from "../types.ts";
import { boltDatabase, boltPageBytes } from "./bolt.ts";
import { connectEtcd } from "./etcd_store.ts";
import { createGateway } from "./gateway.ts";
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
    const config = { clusterId: "test", memberId: "local", clientUrl: () => null };
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
    const { bytes, pages } = boltDatabase([{ name: "b", pairs }, { name: "a", pairs: [] }]);
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
