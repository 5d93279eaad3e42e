import assert from "node:assert/strict";
import { createDenoPlatform, http2, sha256 } from "../../platform/deno/mod.ts";
import { connectStore, startMember } from "../mod.ts";
import { createGateway } from "./gateway.ts";
import { etcdctl, etcdMissing } from "./test_etcd.ts";

const missing = etcdMissing("etcdctl");
const quotaBytes = 600_000;

interface Sizes {
  readonly dbSize: number;
  readonly dbSizeInUse: number;
}

/** A member on a real disk, which keeps nothing of the history in memory, behind its gateway. */
async function withMember(run: (endpoints: string[], directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "defragment-" });
  const platform = createDenoPlatform({ component: "defragment", logLevel: "error" });
  const clientAddress = `unix:${directory}/m0.sock`;
  const member = await startMember({
    clusterId: "c",
    id: "m0",
    members: [{ id: "m0", peerAddress: `unix:${directory}/m0.peer`, clientAddress }],
    dataDirectory: `${directory}/m0`,
    timers: { tickMs: 10, heartbeatTicks: 2, electionTicks: 10 },
    compaction: { mode: "off" },
    historyResidentBytes: 0,
    segmentBytes: 64 * 1024,
    quotaBytes,
  }, platform);
  const store = connectStore({ endpoints: [clientAddress] }, platform);
  const own = connectStore({ endpoints: [clientAddress], only: true }, platform);
  const config = { clusterId: "c", memberId: "m0", clientUrl: () => "http://127.0.0.1:1", scratchDirectory: directory };
  const gateway = createGateway(config, { store, own }, { ...platform, sha256 });
  const server = await http2.serve({ address: "tcp:127.0.0.1:0", onStream: gateway.handler });
  try {
    await run([server.address], `${directory}/m0`);
  } finally {
    await server.close();
    gateway.close();
    store.close();
    own.close();
    await member.stop();
    await Deno.remove(directory, { recursive: true });
  }
}

async function bytesUnder(directory: string): Promise<number> {
  let bytes = 0;
  for await (const entry of Deno.readDir(directory)) bytes += (await Deno.stat(`${directory}/${entry.name}`)).size;
  return bytes;
}

Deno.test({
  name: "etcdctl: over the quota, compact, defrag, disarm, and all is well; DB SIZE says so" +
    (missing === null ? "" : ` (skipped: ${missing})`),
  ignore: missing !== null,
  async fn() {
    await withMember(async (endpoints, directory) => {
      const ask = (args: string[], options: { stdin?: string; mayFail?: boolean } = {}) =>
        etcdctl(endpoints, args, options);
      const sizes = async (): Promise<Sizes> => {
        const [{ Status }] = JSON.parse((await ask(["endpoint", "status", "-w", "json"])).stdout);
        return { dbSize: Status.dbSize, dbSizeInUse: Status.dbSizeInUse };
      };
      const value = (i: number) => `${i}`.padEnd(20_000, ".");
      let full = "";
      for (let i = 0; full === ""; i++) {
        assert.ok(i < 100, "the quota was never met");
        // Old versions of `last` are kept among those of `hot`, which a compaction frees.
        const ran = await ask(["put", i === 9 ? "last" : "hot"], { stdin: value(i), mayFail: true });
        if (ran.code !== 0) full = ran.stderr;
      }
      assert.match(full, /mvcc: database space exceeded/);
      assert.match((await ask(["alarm", "list"])).stdout, /alarm:NOSPACE/);
      const [met, onDisk] = [await sizes(), await bytesUnder(directory)];
      assert.ok(met.dbSizeInUse > quotaBytes && met.dbSize >= met.dbSizeInUse, JSON.stringify(met));

      // A reader of revision 12 must still see `last` as it was: its old value is what the file is kept for.
      await ask(["del", "last"]);
      const { stdout } = await ask(["get", "last", "--rev=12", "-w", "json"]);
      const { revision } = JSON.parse(stdout).header;
      await ask(["compact", String(revision - 1)]);
      const compacted = await sizes();
      assert.ok(compacted.dbSizeInUse < 0.2 * quotaBytes, JSON.stringify(compacted));
      assert.ok(compacted.dbSize > 0.5 * quotaBytes, `the file is still there: ${JSON.stringify(compacted)}`);

      assert.match((await ask(["defrag"])).stdout, /Finished defragmenting/);
      const after = await sizes();
      assert.equal(after.dbSize, after.dbSizeInUse);
      assert.ok(after.dbSize < 0.2 * quotaBytes, JSON.stringify(after));
      assert.equal((await ask(["get", "last", `--rev=${revision - 1}`, "--print-value-only"])).stdout.trim(), value(9));
      assert.ok(await bytesUnder(directory) < onDisk, "the log is shorter too");

      assert.match((await ask(["put", "a"], { stdin: "b", mayFail: true })).stderr, /database space exceeded/);
      assert.match((await ask(["alarm", "disarm"])).stdout, /alarm:NOSPACE/);
      await ask(["put", "a"], { stdin: "b" });
    });
  },
});
