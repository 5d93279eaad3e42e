import assert from "node:assert/strict";
import type { ConfigMap } from "../../api/gen/types.ts";
import { configMaps } from "../../api/resources.ts";
import { createInformer, createRestClient, createTransport } from "../../client/mod.ts";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { TestHome } from "./harness.ts";

const small = ["--control-planes", "1", "--workers", "0", "--hollow-nodes", "1"];

/** An informer on the ConfigMaps of `default`, in this process: it sees its whole cluster stop and start. */
async function informerOn(directory: string) {
  const pki = (file: string) => Deno.readTextFile(`${directory}/pki/${file}`);
  const tls = { ca: await pki("ca.crt"), cert: await pki("admin.crt"), key: await pki("admin.key") };
  const { port } = JSON.parse(await Deno.readTextFile(`${directory}/cluster.json`));
  const platform = createDenoPlatform({ component: "test", logLevel: "error" });
  const transport = createTransport({ endpoints: [`https://127.0.0.1:${port}`], tls }, platform);
  const client = createRestClient(transport, { encoding: "json", userAgent: "test" });
  const informer = createInformer<ConfigMap>(client, configMaps, { namespace: "default" }, platform);
  informer.start();
  return {
    valueOf: (name: string) => informer.get(`default/${name}`)?.data?.key,
    stop() {
      informer.stop();
      transport.close();
    },
  };
}

Deno.test({
  name: "snapshot save and restore: objects are back, old revisions answer 410, informers list again, any size will do",
  fn: async () => {
    await using test = await TestHome.make();
    const file = `${test.home}/monday.snap`;
    const cluster = async (...args: string[]) => {
      const ran = await test.cluster(args);
      assert.equal(ran.code, 0, `cluster ${args.join(" ")}: exit ${ran.code}\n${ran.stdout}\n${ran.stderr}`);
      return ran;
    };
    const revision = async () =>
      JSON.parse(await test.ok("get", "--raw", "/api/v1/configmaps")).metadata.resourceVersion;
    await cluster("up", ...small);
    await test.ok("create", "configmap", "kept", "--from-literal=key=before");
    await cluster("snapshot", "save", file);
    await test.ok("create", "configmap", "later", "--from-literal=key=lost");
    await test.ok("patch", "configmap", "kept", "-p", '{"data":{"key":"after"}}');
    const informer = await informerOn(`${test.home}/clusters/default`);
    await test.until("the informer has both", async () => informer.valueOf("later") === "lost");
    const oldRevision = await revision();

    const refusals: [string, RegExp, ...string[]][] = [
      [file, /it exists/, "save"],
      [file, /it runs/, "restore", "--replace"],
      [`${test.home}/kubeconfig`, /not a snapshot/, "restore", "--name", "other"],
      [`${test.home}/none`, /No such file/, "status"],
    ];
    for (const [path, message, ...args] of refusals) {
      const ran = await test.cluster(["snapshot", ...args, path]);
      assert.ok(ran.code !== 0 && message.test(ran.stderr), `${args}: exit ${ran.code} ${ran.stderr}`);
    }
    const status = JSON.parse((await cluster("snapshot", "status", file, "-o", "json")).stdout);
    assert.ok(status.keys > 20 && status.revision <= Number(oldRevision));

    await cluster("stop");
    await cluster("snapshot", "restore", "--replace", file);
    await cluster("start");
    assert.equal(await test.ok("get", "configmap", "kept", "-o", "jsonpath={.data.key}"), "before");
    assert.match((await test.kubectl(["get", "configmap", "later"])).stderr, /NotFound/);
    assert.ok(Number(await revision()) > Number(oldRevision) + 1_000_000);
    const watch = await test.kubectl(["get", "--raw", `/api/v1/configmaps?watch=1&resourceVersion=${oldRevision}`]);
    assert.match(watch.stderr, /Expired.*too old resource version/);
    await test.until(
      "the informer has listed again",
      async () => informer.valueOf("kept") === "before" && informer.valueOf("later") === undefined,
    );
    informer.stop();
    await cluster("down");

    await cluster("snapshot", "restore", file, "--name", "bigger", ...small.with(1, "3"));
    assert.equal(await test.ok("get", "configmap", "kept", "-o", "jsonpath={.data.key}"), "before");
    await test.ok("create", "configmap", "more", "--from-literal=key=1");
    await cluster("down", "--name", "bigger");
  },
});
