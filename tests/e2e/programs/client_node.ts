import process from "node:process";
import { type AddressInfo, connect, createServer } from "node:net";
import { Readable, Writable } from "node:stream";
import { createInterface } from "node:readline";
import * as k8s from "@kubernetes/client-node";

/**
 * What a program does with @kubernetes/client-node, for Deno and Node alike. It prints a line for each step that went
 * well, and takes orders on stdin: after `informer ready` it says which objects it knows whenever it is asked, while the
 * cluster under it dies and comes back.
 */
const namespace = process.argv[2] ?? "default";
const config = new k8s.KubeConfig();
config.loadFromDefault();
const core = config.makeApiClient(k8s.CoreV1Api);

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function check(condition: boolean, what: string): void {
  if (!condition) throw new Error(what);
}

async function codeOf(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 200;
  } catch (error) {
    return error instanceof k8s.ApiException ? error.code : -1;
  }
}

async function until<T>(what: string, attempt: () => Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + 30_000; Date.now() < end;) {
    const found = await attempt();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`not in time: ${what}`);
}

function loading(): void {
  check(config.getCurrentContext() !== "", "a current context");
  const text = config.exportConfig();
  const again = new k8s.KubeConfig();
  again.loadFromString(text);
  check(again.getCurrentCluster()?.server === config.getCurrentCluster()?.server, "the same server when loaded again");
  const token = new k8s.KubeConfig();
  token.loadFromClusterAndUser(
    { ...config.getCurrentCluster() as k8s.Cluster, name: "c" },
    { name: "u", token: "nonsense" },
  );
  say("ok KubeConfig");
}

async function crud(): Promise<void> {
  const made = await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "a" }, data: { k: "1" } } });
  check(made.metadata?.creationTimestamp instanceof Date && made.data?.["k"] === "1", "created");
  check(await codeOf(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "a" } } })) === 409, "409");
  made.data = { k: "2" };
  const replaced = await core.replaceNamespacedConfigMap({ namespace, name: "a", body: made });
  check(replaced.data?.["k"] === "2", "replaced");
  check(await codeOf(core.replaceNamespacedConfigMap({ namespace, name: "a", body: made })) === 409, "a stale replace");
  const list = await core.listNamespacedConfigMap({ namespace, fieldSelector: "metadata.name=a" });
  check(list.items.length === 1, "listed");
  check(await codeOf(core.readNamespacedConfigMap({ namespace, name: "none" })) === 404, "404");
  check(
    await codeOf(core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "Bad_" } } })) === 422,
    "422",
  );
  await core.deleteNamespacedConfigMap({ namespace, name: "a" });
  check(await codeOf(core.readNamespacedConfigMap({ namespace, name: "a" })) === 404, "deleted");
  const objects = k8s.KubernetesObjectApi.makeApiClient(config);
  const service = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "s", namespace },
    spec: { ports: [{ port: 80 }] },
  };
  const created = await objects.create<k8s.V1Service>(service);
  check(
    (await objects.read<k8s.V1Service>({ ...service, metadata: { name: "s", namespace } })).metadata?.uid ===
      created.metadata?.uid,
    "read",
  );
  await objects.delete(service);
  say("ok CRUD");
}

async function patches(): Promise<void> {
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "p" }, data: { a: "1" } } });
  const patch = async (body: unknown, strategy: string) => {
    const options = k8s.setHeaderOptions("Content-Type", strategy);
    return (await core.patchNamespacedConfigMap(
      { namespace, name: "p", body, fieldManager: "test" },
      options,
    )).data;
  };
  const { PatchStrategy } = k8s;
  check((await patch({ data: { b: "2" } }, PatchStrategy.MergePatch))?.["b"] === "2", "merge");
  check((await patch({ data: { c: "3" } }, PatchStrategy.StrategicMergePatch))?.["c"] === "3", "strategic");
  const json = [{ op: "replace", path: "/data/a", value: "9" }];
  check((await patch(json, PatchStrategy.JsonPatch))?.["a"] === "9", "json");
  const apply = { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "p" }, data: { d: "4" } };
  check((await patch(apply, PatchStrategy.ServerSideApply))?.["d"] === "4", "apply");
  say("ok patches");
}

async function watches(): Promise<void> {
  const seen: string[] = [];
  const controller = await new k8s.Watch(config).watch(
    `/api/v1/namespaces/${namespace}/configmaps`,
    { fieldSelector: "metadata.name=w" },
    (phase: string) => void seen.push(phase),
    () => {},
  );
  await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: "w" } } });
  await core.deleteNamespacedConfigMap({ namespace, name: "w" });
  await until("watch events", () => Promise.resolve(seen.includes("DELETED") ? true : undefined));
  check(seen.join() === "ADDED,DELETED", `watched ${seen.join()}`);
  controller.abort();
  say("ok watch");
}

function sink(parts: string[]): Writable {
  return new Writable({
    write(chunk, _encoding, done) {
      parts.push(String(chunk));
      done();
    },
  });
}

async function streams(): Promise<void> {
  const container = { name: "main", image: "sauropod.dev/echo:1", ports: [{ containerPort: 8080 }] };
  await core.createNamespacedPod({
    namespace,
    body: { metadata: { name: "pod" }, spec: { terminationGracePeriodSeconds: 0, containers: [container] } },
  });
  await until("a running pod", async () => {
    const { status } = await core.readNamespacedPod({ namespace, name: "pod" });
    return status?.phase === "Running" ? true : undefined;
  });
  const out: string[] = [];
  const err: string[] = [];
  const status = await new Promise<k8s.V1Status>((resolve, reject) => {
    const command = ["sh", "-c", "cat; echo err >&2; exit 3"];
    const stdin = Readable.from(["typed\n"]);
    new k8s.Exec(config).exec(namespace, "pod", "main", command, sink(out), sink(err), stdin, false, resolve).catch(
      reject,
    );
  });
  check(out.join("") === "typed\n" && err.join("") === "err\n", `exec said ${out.join("")} ${err.join("")}`);
  check(status.details?.causes?.[0]?.message === "3", `exec ended with ${JSON.stringify(status)}`);
  say("ok exec");

  const server = createServer((socket) => {
    void new k8s.PortForward(config).portForward(namespace, "pod", [8080], socket, null, socket);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  const answer = await new Promise<string>((resolve, reject) => {
    const socket = connect((server.address() as AddressInfo).port, "127.0.0.1"); // a TCP server's address
    let text = "";
    socket.on("data", (data) => {
      text += String(data);
      if (text.includes("marker")) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.on("error", reject);
    socket.write("GET /marker HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  });
  server.close();
  check(answer.startsWith("HTTP/1.1 200"), answer);
  say("ok port-forward");

  const logged: string[] = [];
  const follower = sink(logged);
  await new k8s.Log(config).log(namespace, "pod", "main", follower, { follow: true });
  await until("the log", () => Promise.resolve(logged.join("").includes("/marker") ? true : undefined));
  const finished = new Promise<void>((resolve) => void follower.once("finish", resolve));
  await core.deleteNamespacedPod({ namespace, name: "pod", gracePeriodSeconds: 0 });
  await finished;
  say("ok log");
}

async function metrics(): Promise<void> {
  // The path is not served, and says so in plain text, as on every cluster without the add-on; the client takes it for 500.
  const code = await codeOf(new k8s.Metrics(config).getNodeMetrics());
  check(code === 404 || code === 500, `no metrics API: ${code}`);
  say("ok metrics");
}

async function informer(): Promise<void> {
  const list = () => core.listNamespacedConfigMap({ namespace, labelSelector: "informed=yes" });
  const known = k8s.makeInformer(config, `/api/v1/namespaces/${namespace}/configmaps`, list, "informed=yes");
  const restart = () => void setTimeout(() => void known.start().catch(restart), 200);
  known.on("error", restart);
  await known.start();
  say("informer ready");
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === "end") break;
    // `NAME`: say when it is known.
    await until(`the informer to know ${line}`, () => Promise.resolve(known.get(line, namespace)));
    say(`knows ${line}`);
  }
  known.off("error", restart);
  await known.stop();
}

try {
  loading();
  await crud();
  await patches();
  await watches();
  await streams();
  await metrics();
  await informer();
  say("done");
  process.exit(0);
} catch (error) {
  say(`failed: ${error instanceof Error ? error.stack : String(error)}`);
  process.exit(1);
}
