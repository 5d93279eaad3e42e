import assert from "node:assert/strict";
import { run, TestHome } from "./harness.ts";

/** The whole of it: three of everything and three workers as processes, driven by real kubectl. */

interface PodList {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
    readonly spec: { readonly nodeName?: string };
    readonly status: { readonly podIP?: string; readonly phase?: string };
  }[];
}

const helloManifest = "examples/hello.yaml";

Deno.test("a cluster of 3 + 3 does what a new user tries first, survives every kill, and leaves nothing", async (t) => {
  await using test = await TestHome.make();

  await t.step("up: every component and node is Ready", async () => {
    const ran = await test.cluster(["up", "--wait", "90s"], { timeoutMs: 120_000 });
    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /store-0 .* ms/);
    assert.match(ran.stdout, /COMPONENT +STATE +ROLE/);
    const status = await test.status();
    // Stores, apiservers, schedulers, controller managers; the balancer; kubelets and proxies. `up` does not wait for
    // the gateways that speak etcd's protocol.
    const awaited = status.components.filter((each) => each.kind !== "etcd");
    assert.deepEqual([awaited.length, status.components.length], [4 * 3 + 1 + 6, 5 * 3 + 1 + 6]);
    assert.ok(awaited.every((each) => each.ready && each.pid !== null));
    assert.equal(status.components.filter((each) => each.kind === "store" && each.role === "leader").length, 1);
  });

  await t.step("kubectl get nodes: three Ready, with an address each", async () => {
    const out = await test.ok("get", "nodes", "-o", "wide");
    assert.equal(out.match(/ Ready /g)?.length, 3, out);
    assert.match(out, /v1\.36\.0/);
  });

  await t.step("kubectl apply, rollout status, get pods, logs, exec", async () => {
    await test.ok("apply", "-f", helloManifest);
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    const wide = await test.ok("get", "pods", "-l", "app=hello", "-o", "wide");
    assert.equal(wide.match(/1\/1 +Running/g)?.length, 3, wide);
    const pods = JSON.parse(await test.ok("get", "pods", "-l", "app=hello", "-o", "json")) as PodList;
    const pod = pods.items[0];
    assert.ok(pod !== undefined);
    const response = await fetch(`http://${pod.status.podIP}:8080/`);
    assert.match(
      await response.text(),
      new RegExp(pod.metadata.name),
      "the pod answers on its own address with its name",
    );
    await test.until("the log shows the request", async () => (await test.ok("logs", pod.metadata.name)).length > 0);
    assert.equal(
      (await test.ok("exec", pod.metadata.name, "--", "sh", "-c", "echo $HOSTNAME")).trim(),
      pod.metadata.name,
    );
    const failed = await test.kubectl(["exec", pod.metadata.name, "--", "sh", "-c", "exit 7"]);
    assert.equal(failed.code, 7, failed.stderr);
    const echoed = await test.kubectl(["exec", "-i", pod.metadata.name, "--", "cat"], { stdin: "over and back\n" });
    assert.equal(echoed.stdout, "over and back\n");
    assert.match(await test.ok("describe", "pod", pod.metadata.name), /Successfully assigned default\/hello-/);
  });

  await t.step("the Service spreads requests over all ready pods", async () => {
    const address = (await test.ok("get", "service", "hello", "-o", "jsonpath={.spec.clusterIP}")).trim();
    const seen = new Set<string>();
    await test.until("all three pods answered through the ClusterIP", async () => {
      // A connection each: the choice is made when one is opened.
      const ran = await run("curl", ["-s", "--max-time", "2", `http://${address}:8080/`]);
      const name = /hello-[a-z0-9]+-[a-z0-9]{5}/.exec(ran.stdout);
      if (name !== null) seen.add(name[0]);
      return seen.size === 3;
    }, 20_000);
  });

  await t.step("kubectl scale, rolling update, undo", async () => {
    await test.ok("scale", "deploy/hello", "--replicas=5");
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    await test.ok("set", "env", "deploy/hello", "GREETING=second");
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    await test.ok("rollout", "undo", "deploy/hello");
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    await test.ok("scale", "deploy/hello", "--replicas=3");
    await test.until("three pods are left", async () =>
      (await test.ok("get", "pods", "-l", "app=hello", "-o", "name")).trim().split("\n").length === 3);
  });

  await t.step("bad manifests: a clear error each, nothing changed", async () => {
    const apply = (yaml: string) => test.kubectl(["apply", "-f", "-"], { stdin: yaml });
    const unknown = await apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: typo}\ndatta: {a: b}\n");
    assert.notEqual(unknown.code, 0);
    assert.match(unknown.stderr, /unknown field "datta"/);
    const broken = await apply("apiVersion: v1\nkind: ConfigMap\n  metadata: {name\n");
    assert.notEqual(broken.code, 0);
    assert.match(broken.stderr, /error (converting|parsing)/);
    const invalid = await apply("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: UPPER}\n");
    assert.match(invalid.stderr, /a lowercase RFC 1123 subdomain must consist of/);
    const image = await apply(
      "apiVersion: v1\nkind: Pod\nmetadata: {name: foreign}\nspec: {containers: [{name: c, image: 'nginx:1.27'}]}\n",
    );
    assert.equal(image.code, 0, image.stderr);
    await test.until("ErrImagePull says what to do", async () => {
      return /(ErrImagePull|ImagePullBackOff)[^]*process runtime/.test(await test.ok("describe", "pod", "foreign"));
    });
    await test.ok("delete", "pod", "foreign", "--wait=true", "--timeout=30s");
    const second = await test.cluster(["up"]);
    assert.equal(second.code, 1);
    assert.match(second.stderr, /already exists/);
  });

  const acknowledged = new Set<string>();
  let unknown = 0;
  await t.step(
    "SIGKILL of each leader and an apiserver while ConfigMaps are written: none acknowledged is lost",
    async () => {
      let writing = true;
      const writer = (async () => {
        for (let i = 0; writing && i < 5_000; i++) {
          const name = `write-${String(i).padStart(5, "0")}`;
          const ran = await test.kubectl([
            "create",
            "configmap",
            name,
            `--from-literal=i=${i}`,
            "--request-timeout=5s",
          ]);
          if (ran.code === 0) acknowledged.add(name);
          else unknown++;
        }
      })();
      for (
        const target of [["store", "--leader"], ["apiserver"], ["scheduler", "--leader"], [
          "controller-manager",
          "--leader",
        ]]
      ) {
        const before = acknowledged.size;
        await test.until("writes go on", () => Promise.resolve(acknowledged.size >= before + 5));
        const killed = await test.cluster(["chaos", "kill", ...target]);
        assert.equal(killed.code, 0, killed.stderr);
        const after = acknowledged.size;
        await test.until(`writes go on after the death of the ${target.join(" ")}`, () =>
          Promise.resolve(acknowledged.size >= after + 5));
      }
      writing = false;
      await writer;
      const listed = new Set(
        (await test.ok("get", "configmaps", "-o", "name")).trim().split("\n").map((line) => line.split("/")[1]),
      );
      const lost = [...acknowledged].filter((name) => !listed.has(name));
      assert.deepEqual(lost, [], `${acknowledged.size} acknowledged, ${unknown} failed`);
    },
  );

  await t.step("a new Deployment still rolls out", async () => {
    await test.ok("create", "deployment", "after", "--image=sauropod.dev/pause:1", "--replicas=3");
    await test.ok("rollout", "status", "deploy/after", "--timeout=60s");
    await test.until("every component is back", async () =>
      (await test.status()).components.every((each) => each.ready));
  });

  await t.step("SIGKILL of everything, then start: same objects, no resourceVersion gone back", async () => {
    const list = async () => JSON.parse(await test.ok("get", "configmaps,deployments", "-o", "json")) as PodList;
    const before = await list();
    const revision = await currentRevision(test);
    const status = await test.status();
    const supervisor = JSON.parse(await Deno.readTextFile(`${test.home}/clusters/default/run/supervisor.pid`)) as {
      pid: number;
    };
    Deno.kill(supervisor.pid, "SIGKILL");
    for (const { pid } of status.components) if (pid !== null) Deno.kill(pid, "SIGKILL");
    const started = await test.cluster(["start", "--wait", "90s"], { timeoutMs: 120_000 });
    assert.equal(started.code, 0, started.stderr);
    const after = new Map((await list()).items.map((item) => [item.metadata.uid, item.metadata.resourceVersion]));
    for (const { metadata } of before.items) {
      const version = after.get(metadata.uid);
      assert.ok(version !== undefined, `${metadata.name} is still there`);
      assert.ok(
        Number(version) >= Number(metadata.resourceVersion),
        `${metadata.name}: ${version} >= ${metadata.resourceVersion}`,
      );
    }
    assert.ok(await currentRevision(test) >= revision);
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
  });

  await t.step("kubectl delete; stop, start, down", async () => {
    await test.ok("delete", "-f", helloManifest);
    await test.until("the pods are gone", async () =>
      (await test.ok("get", "pods", "-l", "app=hello", "-o", "name")).trim() === "");
    assert.equal((await test.cluster(["stop"])).code, 0);
    assert.equal((await test.cluster(["status"])).code, 3);
    const started = await test.cluster(["start"], { timeoutMs: 120_000 });
    assert.equal(started.code, 0, started.stderr);
    assert.equal((await test.cluster(["down"])).code, 0);
    assert.deepEqual([...Deno.readDirSync(`${test.home}/clusters`)].filter((each) => each.isDirectory), []);
    await assert.rejects(Deno.stat(test.kubeconfig), Deno.errors.NotFound);
  });
});

async function currentRevision(test: TestHome): Promise<number> {
  const list = JSON.parse(await test.ok("get", "--raw", "/api/v1/namespaces/default/configmaps?limit=1")) as {
    metadata: { resourceVersion: string };
  };
  return Number(list.metadata.resourceVersion);
}
