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
