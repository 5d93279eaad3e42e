import assert from "node:assert/strict";
import { etcdctl, etcdMissing, startEtcd } from "../../store/etcd/test_etcd.ts";
import { run, TestHome } from "./harness.ts";

const missing = etcdMissing("etcd") ?? etcdMissing("etcdctl");
const skipped = missing === null ? "" : ` (skipped: ${missing})`;
const small = ["--control-planes", "1", "--workers", "1", "--wait", "90s"];

Deno.test({
  name: `a cluster's store answers etcdctl over mutual TLS, and nobody without its certificate${skipped}`,
  ignore: missing !== null,
  async fn() {
    await using test = await TestHome.make();
    const up = await test.cluster(["up", ...small], { timeoutMs: 120_000 });
    assert.equal(up.code, 0, up.stderr);
    await test.until("the etcd gateway is ready", async () => {
      const { components } = await test.status();
      return components.find((each) => each.kind === "etcd")?.ready === true;
    });
    const { etcd, etcdTls } = await test.status();
    assert.ok(etcd.length === 1 && etcdTls !== null);
    const { caFile, certFile, keyFile } = etcdTls;
    const ask = (flags: string[], ...args: string[]) =>
      run("etcdctl", [`--endpoints=${etcd.join()}`, `--cacert=${caFile}`, ...flags, ...args], {
        env: { ETCDCTL_API: "3" },
      });
    const certificate = [`--cert=${certFile}`, `--key=${keyFile}`];
    const namespaces = await ask(certificate, "get", "/registry/namespaces/", "--prefix", "--keys-only");
    assert.match(namespaces.stdout, /^\/registry\/namespaces\/default$/m);
    const stranger = await ask([], "get", "/registry/namespaces/default", "--command-timeout=2s");
    assert.notEqual(stranger.code, 0);
    assert.equal(stranger.stdout, "");
  },
});

Deno.test({
  name: `a member added to a running store has an etcd endpoint, through restarts, until it is removed${skipped}`,
  ignore: missing !== null,
  async fn() {
    await using test = await TestHome.make();
    const up = await test.cluster(["up", ...small], { timeoutMs: 120_000 });
    assert.equal(up.code, 0, up.stderr);
    const cluster = async (...args: string[]) => {
      const ran = await test.cluster(args, { timeoutMs: 120_000 });
      assert.equal(ran.code, 0, `cluster ${args.join(" ")}: ${ran.stderr}`);
      return ran.stdout;
    };
    const ask = async (...args: string[]) => {
      const { etcd, etcdTls } = await test.status();
      const { caFile = "", certFile = "", keyFile = "" } = etcdTls ?? {};
      const flags = [`--endpoints=${etcd.join()}`, `--cacert=${caFile}`, `--cert=${certFile}`, `--key=${keyFile}`];
      return await run("etcdctl", [...flags, ...args], { env: { ETCDCTL_API: "3" } });
    };
    const healthy = async (members: number) => {
      await test.until(`${members} endpoints are healthy`, async () => (await ask("endpoint", "health")).code === 0);
      const { stdout } = await ask("endpoint", "status");
      const lines = stdout.trim().split("\n");
      assert.equal(lines.length, members, stdout);
      assert.equal(lines.filter((line) => line.split(", ")[4] === "true").length, 1, `one leads: ${stdout}`);
      assert.equal(new Set(lines.map((line) => line.split(", ")[1])).size, members, `each its own id: ${stdout}`);
      const listed = await ask("member", "list");
      assert.equal(listed.stdout.match(/started/g)?.length, members, listed.stdout);
    };
    const names = async () => (await test.status()).components.map((each) => each.name);

    await cluster("member", "add");
    assert.equal((await test.status()).etcd.length, 2);
    await healthy(2);
    assert.equal((await ask("put", "there", "b")).code, 0);
    assert.match(await cluster("member", "list"), /^store-1 +(leader|follower) /m);
    await cluster("stop");
    await cluster("start");
    await healthy(2);

    // Also when it is etcd's own client that takes it out, and when it was the member that the cluster began with.
    const first = /^([0-9a-f]+), started, store-0,/m.exec((await ask("member", "list")).stdout)?.[1] ?? "";
    const removed = await ask("member", "remove", first);
    assert.equal(removed.code, 0, removed.stderr);
    await test.until("store-0 has gone", async () => !(await names()).includes("store-0"));
    assert.ok(!(await names()).includes("etcd-0"));
    await healthy(1);
    assert.match((await ask("get", "there")).stdout, /^b$/m);
    await cluster("stop");
    await cluster("start");
    await healthy(1);
    await test.ok("get", "namespaces");

    await cluster("member", "add", "--learner");
    assert.match(await cluster("member", "list"), /^store-2 +learner /m);
    await cluster("member", "remove", "store-2");
    assert.deepEqual((await names()).filter((name) => /^(store|etcd)-/.test(name)), ["store-1", "etcd-1"]);
    await healthy(1);
  },
});

Deno.test({
  name: `a member that etcdctl removes from a cluster of one process does not take the others along${skipped}`,
  ignore: missing !== null,
  async fn() {
    await using test = await TestHome.make();
    const flags = ["--all-in-one", "--control-planes", "3", "--workers", "1", "--wait", "90s"];
    const up = await test.cluster(["up", ...flags], { timeoutMs: 120_000 });
    assert.equal(up.code, 0, up.stderr);
    const ask = async (...args: string[]) => {
      const { etcd, etcdTls } = await test.status();
      const { caFile = "", certFile = "", keyFile = "" } = etcdTls ?? {};
      const tls = [`--cacert=${caFile}`, `--cert=${certFile}`, `--key=${keyFile}`];
      return await run("etcdctl", [`--endpoints=${etcd.join()}`, ...tls, ...args], { env: { ETCDCTL_API: "3" } });
    };
    const id = /^([0-9a-f]+), started, store-1,/m.exec((await ask("member", "list")).stdout)?.[1] ?? "";
    await ask("member", "remove", id); // its answer may get lost with the process
    await test.until("two endpoints are left", async () => (await test.status()).etcd.length === 2);
    await test.until("both are healthy", async () => (await ask("endpoint", "health")).code === 0);
    await test.ok("get", "namespaces");
  },
});

Deno.test({
  name:
    `up takes etcd's flags for the store, and start keeps them: a quota is met, room is made, history is short${skipped}`,
  ignore: missing !== null,
  async fn() {
    await using test = await TestHome.make();
    const flags = ["--quota-backend-bytes", "4000000", "--corrupt-check-time", "0"];
    const compaction = ["--auto-compaction-mode", "revision", "--auto-compaction-retention", "20"];
    const up = await test.cluster(["up", "--all-in-one", ...small, ...flags, ...compaction], { timeoutMs: 120_000 });
    assert.equal(up.code, 0, up.stderr);
    const { etcd, etcdTls } = await test.status();
    const { caFile = "", certFile = "", keyFile = "" } = etcdTls ?? {};
    const tls = [`--cacert=${caFile}`, `--cert=${certFile}`, `--key=${keyFile}`];
    const ask = (args: string[], stdin?: string) =>
      run("etcdctl", [`--endpoints=${etcd.join()}`, ...tls, ...args], {
        env: { ETCDCTL_API: "3" },
        ...(stdin === undefined ? {} : { stdin }),
      });
    for (const round of ["first", "after start"]) {
      let refused = "";
      for (let i = 0; i < 6 && refused === ""; i++) {
        const ran = await ask(["put", `/fill/${i}`], "x".repeat(1_000_000));
        if (ran.code !== 0) refused = ran.stderr;
      }
      assert.match(refused, /database space exceeded/, round);
      assert.match((await ask(["alarm", "list"])).stdout, /NOSPACE/);
      const { stdout } = await ask(["del", "/fill/", "--prefix"]);
      assert.ok(Number(stdout) >= 2, stdout);
      const { header } = JSON.parse((await ask(["get", "x", "-w", "json"])).stdout);
      await ask(["compact", String(header.revision)]);
      assert.equal((await ask(["defrag"])).code, 0);
      assert.match((await ask(["alarm", "disarm"])).stdout, /NOSPACE/);
      // Nobody but the store compacts: 20 revisions are kept, where by default it would be 100,000.
      for (let i = 0; i < 30; i++) assert.equal((await ask(["put", "x"], `${i}`)).code, 0);
      await test.until("the store has compacted by itself", async () =>
        /has been compacted/.test((await ask(["get", "x", `--rev=${header.revision + 1}`])).stderr));
      if (round !== "first") break;
      assert.equal((await test.cluster(["stop"])).code, 0);
      assert.equal((await test.cluster(["start"], { timeoutMs: 120_000 })).code, 0);
    }
  },
});

Deno.test({
  name: `up --store etcd:// runs a cluster on a real etcd, where its objects then are${skipped}`,
  ignore: missing !== null,
  async fn() {
    await using test = await TestHome.make();
    const etcd = await startEtcd(1);
    try {
      const url = etcd.endpoints.map((endpoint) => endpoint.replace("tcp:", "")).join();
      const flags = ["--all-in-one", "--store", `etcd://${url}`];
      const up = await test.cluster(["up", ...small, ...flags], { timeoutMs: 120_000 });
      assert.equal(up.code, 0, up.stderr);
      assert.deepEqual((await test.status()).etcd, [`http://${url}`]);
      await test.ok("create", "configmap", "there", "--from-literal=a=b");
      const { stdout } = await etcdctl(etcd.endpoints, ["get", "/registry/configmaps/default/there"]);
      assert.match(stdout, /"a":"b"/);
      await test.ok("apply", "-f", "examples/hello.yaml");
      await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    } finally {
      await test.cluster(["down", "--all"]);
      await etcd.stop();
    }
  },
});
