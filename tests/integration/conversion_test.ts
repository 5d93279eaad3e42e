import assert from "node:assert/strict";
import { type Answer, type Loose, start, type TestServer, until } from "../../apiserver/testing.ts";
import { postHttps } from "../../platform/deno/mod.ts";
import { Hook } from "./hook.ts";

const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const v1 = "/apis/example.com/v1/namespaces/default/hosts";
const v2 = "/apis/example.com/v2/namespaces/default/hosts";

/** v1 has `hostPort: "h:1"`, v2 has `host` and `port`: upstream's own example. */
function convert(object: Loose, desired: string): Loose {
  const { hostPort, host, port, ...rest } = object;
  if (desired === "example.com/v1") return { ...rest, apiVersion: desired, hostPort: `${host}:${port}` };
  const [left = "", right = ""] = String(hostPort).split(":");
  return { ...rest, apiVersion: desired, host: left, port: right };
}

function openHook(change: (converted: Loose[]) => Loose[] = (it) => it): Promise<Hook> {
  return Hook.open((request) => ({
    result: { status: "Success" },
    convertedObjects: change(request.objects.map((it: Loose) => convert(it, request.desiredAPIVersion))),
  }));
}

function definition(hook: Hook, storage: "v1" | "v2"): Loose {
  const text = { type: "string" };
  const version = (name: string, properties: Loose) => ({
    name,
    served: true,
    storage: name === storage,
    schema: { openAPIV3Schema: { type: "object", properties } },
    selectableFields: Object.keys(properties).filter((it) => it !== "note").map((it) => ({ jsonPath: `.${it}` })),
  });
  return {
    apiVersion: "apiextensions.k8s.io/v1",
    kind: "CustomResourceDefinition",
    metadata: { name: "hosts.example.com" },
    spec: {
      group: "example.com",
      scope: "Namespaced",
      names: { plural: "hosts", kind: "Host" },
      versions: [
        version("v1", { hostPort: text, note: { ...text, default: "one" } }),
        version("v2", { host: text, port: text, note: text }),
      ],
      conversion: {
        strategy: "Webhook",
        webhook: { clientConfig: hook.client("/crdconvert"), conversionReviewVersions: ["v1", "v1beta1"] },
      },
    },
  };
}

async function define(server: TestServer, it: Loose): Promise<void> {
  const made = await server.post(definitions, it);
  assert.equal(made.code, 201, JSON.stringify(made.body));
  await until(() => server.get(v1), ({ code }) => code === 200);
}

const host = (name: string, hostPort: string): Loose => ({
  apiVersion: "example.com/v1",
  kind: "Host",
  metadata: { name, labels: { app: name } },
  hostPort,
});

const names = (list: Answer): string[] => list.body.items.map((it: Loose) => it.metadata.name);

Deno.test("a conversion webhook shows an object in every version, whichever it was written in", async () => {
  await using server = await start({ postHttps });
  await using hook = await openHook();
  await define(server, definition(hook, "v1"));
  await server.post(v1, host("a", "left:1"));
  assert.equal(hook.asked.length, 0, "what is stored as it is served needs no conversion");
  const read = await server.get(`${v2}/a`);
  assert.deepEqual([read.body.apiVersion, read.body.host, read.body.port, read.body.note], [
    "example.com/v2",
    "left",
    "1",
    "one",
  ]);
  const [request] = hook.asked;
  assert.equal(request.desiredAPIVersion, "example.com/v2");
  assert.equal(request.objects[0].metadata.name, "a");
  assert.ok(request.url.endsWith("/crdconvert?timeout=30s"), request.url);
  const other = { apiVersion: "example.com/v2", kind: "Host", metadata: { name: "b" }, host: "right", port: "2" };
  const made = await server.post(v2, other);
  assert.deepEqual([made.code, made.body.apiVersion, made.body.host], [201, "example.com/v2", "right"]);
  assert.equal((await server.get(`${v1}/b`)).body.hostPort, "right:2");
  const patched = await server.patch(`${v2}/b`, { port: "3" });
  assert.deepEqual([patched.code, patched.body.port], [200, "3"]);
  assert.equal((await server.get(`${v1}/b`)).body.hostPort, "right:3");
  assert.equal((await server.delete(`${v2}/b`)).code, 200);
});

Deno.test("lists in one version hold objects stored in both, are converted once, and are selected by what is served", async () => {
  await using server = await start({ postHttps });
  await using hook = await openHook();
  const it = definition(hook, "v1");
  await define(server, it);
  await server.post(v1, host("a", "left:1"));
  await server.post(v1, host("b", "left:2"));
  const swapped = definition(hook, "v2").spec.versions;
  const moved = await server.patch(`${definitions}/hosts.example.com`, { spec: { versions: swapped } });
  assert.deepEqual(moved.body.status.storedVersions, ["v1", "v2"]);
  // Until the change is served, what is written is stored as before.
  await until(() => server.post(v1, host("c", "right:3")), ({ code }) => code === 201 || code === 409);
  const ones = await server.get(v1);
  assert.deepEqual([...new Set(ones.body.items.map((each: Loose) => each.apiVersion))], ["example.com/v1"]);
  assert.deepEqual(ones.body.items.map((each: Loose) => each.hostPort), ["left:1", "left:2", "right:3"]);
  const twos = await server.get(v2);
  assert.deepEqual(twos.body.items.map((each: Loose) => each.port), ["1", "2", "3"]);
  const before = hook.asked.length;
  assert.deepEqual(names(await server.get(`${v2}?fieldSelector=host%3Dleft`)), ["a", "b"]);
  assert.deepEqual(names(await server.get(`${v2}?limit=2`)), ["a", "b"]);
  assert.equal(hook.asked.length, before, "what was converted is remembered");
});

Deno.test("a watch sees changes in its own version, in order", async () => {
  await using server = await start({ postHttps });
  await using hook = await openHook();
  await define(server, definition(hook, "v1"));
  await server.post(v1, host("a", "left:1"));
  const watch = await server.watch(`${v2}?watch=1`);
  const seen: Loose[] = [await watch.next()];
  await server.patch(`${v1}/a`, { hostPort: "left:2" });
  await server.patch(`${v1}/a`, { hostPort: "left:3" });
  await server.delete(`${v1}/a`);
  for (let i = 0; i < 3; i++) seen.push(await watch.next());
  assert.deepEqual(seen.map(({ type, object }) => [type, object.apiVersion, object.port]), [
    ["ADDED", "example.com/v2", "1"],
    ["MODIFIED", "example.com/v2", "2"],
    ["MODIFIED", "example.com/v2", "3"],
    ["DELETED", "example.com/v2", "3"],
  ]);
  await watch.cancel();
});

Deno.test("an object stored under an old version is stored anew by a write that changes nothing", async () => {
  await using server = await start({ postHttps });
  const { store } = server;
  await using hook = await openHook();
  await define(server, definition(hook, "v1"));
  await server.post(v1, host("a", "left:1"));
  await server.patch(`${definitions}/hosts.example.com`, { spec: { versions: definition(hook, "v2").spec.versions } });
  const stored = async () => {
    const { kvs } = await store.range({ key: new TextEncoder().encode("/registry/example.com/hosts/default/a") });
    return JSON.parse(new TextDecoder().decode(kvs[0]?.value)).apiVersion;
  };
  assert.equal(await stored(), "example.com/v1");
  let now = "";
  await until(async () => {
    const answer = await server.patch(`${v1}/a`, {});
    now = await stored();
    return answer;
  }, ({ code }) => code === 200 && now === "example.com/v2");
});

Deno.test("a webhook's failures are told in upstream's words; a watch ends with them", async () => {
  await using server = await start({ postHttps });
  const answers: { change: (it: Loose[]) => Loose[]; words: RegExp }[] = [
    {
      change: () => [],
      words: /^conversion webhook for example.com\/v1, Kind=Host returned 0 objects, expected 1$/,
    },
    {
      change: ([it]) => [{ ...it, metadata: { ...it.metadata, name: "z" } }],
      words:
        /^conversion webhook for example.com\/v1, Kind=Host returned invalid object: must have the same name: a != z$/,
    },
    {
      change: ([it]) => [{ ...it, apiVersion: "example.com/v9" }],
      words:
        /returned invalid object at index 0: invalid groupVersion \(expected example.com\/v2, received example.com\/v9\)$/,
    },
    {
      change: ([it]) => [{ ...it, metadata: { ...it.metadata, labels: { app: 1 } } }],
      words: /returned invalid metadata: metadata.labels\[app\] must be a string, but is number in converted object$/,
    },
    {
      change: (
        [it],
      ) => [{ ...it, metadata: { name: "a", namespace: "default", uid: it.metadata.uid, labels: { x: "y" } } }],
      words: /^$/,
    },
  ];
  let answer = answers[0];
  await using hook = await openHook((it) => answer?.change(it) ?? it);
  await define(server, definition(hook, "v1"));
  await server.post(v1, host("a", "left:1"));
  for (answer of answers) {
    const read = await server.get(`${v2}/a`);
    if (answer.words.source === "^$") {
      assert.deepEqual(read.body.metadata.labels, { x: "y" });
      assert.ok(read.body.metadata.creationTimestamp, "what the webhook left out of the metadata is still there");
      continue;
    }
    assert.equal(read.code, 500);
    assert.match(read.body.message, answer.words);
    assert.equal((await server.get(`${v2}?watch=1`)).code, 500);
    assert.equal((await server.get(v1)).code, 200);
  }
  const watch = await server.watch(`${v2}?watch=1`);
  assert.equal((await watch.next()).type, "ADDED");
  answer = answers[0];
  await server.patch(`${v1}/a`, { hostPort: "left:2" });
  const last = await watch.next();
  assert.deepEqual([last.type, last.object.code], ["ERROR", 500]);
  assert.equal(await watch.next(), null);
});
