/** Admission and conversion webhooks, asked over TLS through a Service. */
import assert from "node:assert/strict";
import type { Api, Loose, Reply } from "../api.ts";
import { changes, define, definitions, everywhere, undefine } from "../definitions.ts";
import { type Check, create, pod } from "../helpers.ts";
import {
  configurationPath,
  denial,
  type HookService,
  openHookService,
  patchAnswer,
  register,
  type WebhookKind,
  webhookOn,
} from "../hook_service.ts";
import { good, infoOf, merge, pathIn } from "../lifecycle.ts";

const configMaps = infoOf("configmaps");
const pods = infoOf("pods");
const onConfigMaps = ["", "v1", "configmaps"] as const;

/** Adds the next stage to an object's data, as a chain of webhooks does. */
function nextStage({ data }: Loose): Loose {
  const add = (key: string) => patchAnswer({ op: "add", path: `/data/${key}`, value: "yes" });
  if (data?.["mutation-stage-1"] === "yes") return add("mutation-stage-2");
  return data?.["mutation-start"] === "yes" ? add("mutation-stage-1") : patchAnswer();
}

const unwanted = "webhook-disallow";
const lateMs = 3_000;

/** What the suite's own webhook server answers, by path. */
async function answer(path: string, { object, oldObject, operation, name }: Loose): Promise<Loose> {
  const subject = operation === "DELETE" ? oldObject : object;
  switch (path) {
    case "/ready":
      return denial("this webhook is ready to be asked");
    case "/always-deny":
      return denial("this webhook denies all requests");
    case "/configmaps":
      return subject.data?.["webhook-e2e-test"] === unwanted
        ? denial("the configmap contains unwanted key and value")
        : patchAnswer();
    case "/pods":
      return subject.metadata.labels?.["webhook-e2e-test"] === unwanted
        ? denial("the pod contains unwanted label")
        : patchAnswer();
    case "/crd":
      return subject.metadata.labels?.["webhook-e2e-test"] === unwanted
        ? denial("the crd contains unwanted label")
        : patchAnswer();
    case "/custom-resource":
      return subject.data?.["webhook-e2e-test"] === unwanted
        ? denial("the custom resource contains unwanted data")
        : patchAnswer();
    case "/pods/attach":
      return denial(`attaching to pod '${name}' is not allowed`);
    case "/stages":
      return nextStage(object);
    case "/mutating-pods":
      return patchAnswer({
        op: "add",
        path: "/spec/initContainers",
        value: [{ name: "webhook-added-init-container", image: "webhook-added-image", resources: {} }],
      });
    case "/late":
      await new Promise((resolve) => setTimeout(resolve, lateMs));
      return patchAnswer();
    case "/crdconvert":
      throw new Error("conversion reviews are not admission reviews");
  }
  return denial(`nothing answers at ${path}`);
}

function withService(check: (api: Api, namespace: string, service: HookService) => Promise<void>): Check {
  return async (api, namespace) => {
    await using service = await openHookService(api, namespace, answer);
    await check(api, namespace, service);
  };
}

async function unregister(api: Api, kind: WebhookKind, name: string): Promise<void> {
  good(await api.call("DELETE", configurationPath(kind, name)), 200, "delete the configuration");
}

function refused(reply: Reply, words: string): void {
  assert.ok(reply.code >= 400, `refused: ${reply.code}`);
  assert.ok(String(reply.body.message).includes(words), `${words} in ${reply.body.message}`);
}

const badMap = (name: string) => ({ metadata: { name }, data: { "webhook-e2e-test": unwanted } });
const startingMap = (name: string) => ({ metadata: { name }, data: { "mutation-start": "yes" } });

async function tryMap(api: Api, namespace: string, object: Loose, dryRun = true): Promise<Reply> {
  return await api.call("POST", `${pathIn(configMaps, namespace)}${dryRun ? "?dryRun=All" : ""}`, object);
}

/** A definition of objects with some data, which webhooks look at. */
const dataSchema = {
  type: "object",
  properties: { data: { type: "object", additionalProperties: { type: "string" } } },
};

function objectOf({ group, kind }: { group: string; kind: string }, version: string, name: string, data: Loose): Loose {
  return { apiVersion: `${group}/${version}`, kind, metadata: { name }, data };
}

/** What a configuration asks about changes when its rules do. */
function changedRules(kind: WebhookKind): Check {
  const path = kind === "validating" ? "/configmaps" : "/stages";
  const object = kind === "validating" ? badMap : startingMap;
  const isAsked = ({ code, body }: Reply) => code >= 400 || body.data?.["mutation-stage-1"] === "yes";
  return withService(async (api, namespace, service) => {
    const name = await register(api, namespace, kind, service, [
      webhookOn(namespace, "changing", service.client(path), onConfigMaps),
    ]);
    const asked = async () => isAsked(await tryMap(api, namespace, object("disallowed")));
    assert.ok(await asked());
    const configuration = good(await api.call("GET", configurationPath(kind, name)), 200, "get");
    configuration.webhooks[0].rules[0].operations = ["UPDATE"];
    good(await api.call("PUT", configurationPath(kind, name), configuration), 200, "update");
    await everywhere("nobody is asked about what is made", async () => !await asked());
    const patch = [{ op: "replace", path: "/webhooks/0/rules/0/operations", value: ["CREATE"] }];
    const contentType = "application/json-patch+json";
    good(await api.call("PATCH", configurationPath(kind, name), patch, { contentType }), 200, "patch");
    await everywhere("it is asked again", asked);
    await unregister(api, kind, name);
  });
}

function listed(kind: WebhookKind): Check {
  const path = kind === "validating" ? "/configmaps" : "/stages";
  const object = kind === "validating" ? badMap : startingMap;
  const isAsked = ({ code, body }: Reply) => code >= 400 || body.data?.["mutation-stage-1"] === "yes";
  return withService(async (api, namespace, service) => {
    const labels = { "e2e-list": namespace };
    await register(api, namespace, kind, service, [
      webhookOn(namespace, "listed", service.client(path), onConfigMaps),
    ], labels);
    const selected = `${configurationPath(kind)}?labelSelector=e2e-list=${namespace}`;
    assert.equal(good(await api.call("GET", selected), 200, "list").items.length, 1);
    const asked = async () => isAsked(await tryMap(api, namespace, object("disallowed")));
    assert.ok(await asked());
    good(await api.call("DELETE", selected), 200, "delete the collection");
    await everywhere("nobody is asked", async () => !await asked());
    assert.deepEqual(good(await api.call("GET", selected), 200, "list").items, []);
  });
}

export const webhookChecks: Readonly<Record<string, Check>> = {
  "webhook denies pods and configmaps": withService(async (api, namespace, service) => {
    const name = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-pods", service.client("/pods"), ["", "v1", "pods"]),
      webhookOn(namespace, "deny-configmaps", service.client("/configmaps"), onConfigMaps, {
        rules: [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CREATE", "UPDATE"], resources: ["configmaps"] }],
      }),
    ]);
    const object = pod("disallowed-pod");
    object.metadata.labels = { "webhook-e2e-test": unwanted };
    refused(await api.call("POST", pathIn(pods, namespace), object), "the pod contains unwanted label");
    const words = "the configmap contains unwanted key and value";
    refused(await tryMap(api, namespace, badMap("disallowed"), false), words);
    good(await tryMap(api, namespace, { metadata: { name: "to-be-changed" } }, false), 201, "a plain ConfigMap");
    const path = pathIn(configMaps, namespace, "to-be-changed");
    const bad = { data: { "webhook-e2e-test": unwanted } };
    const current = good(await api.call("GET", path), 200, "get");
    refused(await api.call("PUT", path, { ...current, ...bad }), words);
    refused(await api.call("PATCH", path, bad, merge), words);
    await unregister(api, "validating", name);
  }),
  "webhook denies attaching": withService(async (api, namespace, service) => {
    const rules = [{ apiGroups: [""], apiVersions: ["v1"], operations: ["CONNECT"], resources: ["pods/attach"] }];
    const name = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-attaching-pod", service.client("/pods/attach"), ["", "v1", "pods/attach"], { rules }),
    ]);
    await create(api, namespace, pods, pod("to-be-attached-pod"));
    const query = "?container=c&stdin=true&stdout=true";
    const reply = await api.call("POST", `${pathIn(pods, namespace, "to-be-attached-pod")}/attach${query}`);
    refused(reply, "attaching to pod 'to-be-attached-pod' is not allowed");
    const { operation, kind, resource, subResource, object } = service.hook.asked.at(-1);
    assert.deepEqual([operation, kind.kind, resource.resource, subResource], [
      "CONNECT",
      "PodAttachOptions",
      "pods",
      "attach",
    ]);
    assert.deepEqual([object.kind, object.stdin, object.container], ["PodAttachOptions", true, "c"]);
    await unregister(api, "validating", name);
  }),
  "webhook denies custom resources": withService(async (api, namespace, service) => {
    const group = `${namespace}.example.com`;
    const noxu = await define(api, group, "noxu", [{ name: "v1", storage: true, schema: dataSchema }]);
    const operations = ["CREATE", "UPDATE", "DELETE"];
    const name = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-custom", service.client("/custom-resource"), [group, "v1", noxu.plural], {
        rules: [{ apiGroups: [group], apiVersions: ["v1"], operations, resources: [noxu.plural] }],
      }),
    ]);
    const words = "the custom resource contains unwanted data";
    const bad = { "webhook-e2e-test": unwanted };
    const collection = noxu.path("v1", namespace);
    refused(await api.call("POST", collection, objectOf(noxu, "v1", "bad", bad)), words);
    good(await api.call("POST", collection, objectOf(noxu, "v1", "good", {})), 201, "create");
    refused(await api.call("PATCH", `${collection}/good`, { data: bad }, merge), words);
    // Made while nobody was asked, it cannot go while somebody is.
    await unregister(api, "validating", name);
    await everywhere(
      "nobody is asked",
      async () => (await api.call("PATCH", `${collection}/good?dryRun=All`, { data: bad }, merge)).code === 200,
    );
    good(await api.call("PATCH", `${collection}/good`, { data: bad }, merge), 200, "spoil");
    const again = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-custom", service.client("/custom-resource"), [group, "v1", noxu.plural], {
        rules: [{ apiGroups: [group], apiVersions: ["v1"], operations, resources: [noxu.plural] }],
      }),
    ]);
    refused(await api.call("DELETE", `${collection}/good`), words);
    good(await api.call("PATCH", `${collection}/good`, { data: { "webhook-e2e-test": null } }, merge), 200, "mend");
    good(await api.call("DELETE", `${collection}/good`), 200, "delete");
    await unregister(api, "validating", again);
    await undefine(api, noxu);
  }),
  "webhook fails closed": withService(async (api, namespace, service) => {
    const client = service.client("/configmaps");
    // Without the authority's certificate no connection is trusted.
    delete client.caBundle;
    const name = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "fail-closed", client, onConfigMaps, {
        failurePolicy: "Fail",
        objectSelector: { matchLabels: { closed: "true" } },
      }),
    ]);
    const reply = await tryMap(api, namespace, { metadata: { name: "foo", labels: { closed: "true" } } }, false);
    assert.deepEqual([reply.code, reply.body.reason], [500, "InternalError"]);
    refused(reply, `failed calling webhook "fail-closed.k8s.io"`);
    await unregister(api, "validating", name);
  }),
  "webhook changes configmaps": withService(async (api, namespace, service) => {
    const name = await register(api, namespace, "mutating", service, [
      webhookOn(namespace, "adding-configmap-data-stage-1", service.client("/stages"), onConfigMaps),
      webhookOn(namespace, "adding-configmap-data-stage-2", service.client("/stages"), onConfigMaps),
    ]);
    const made = good(await tryMap(api, namespace, startingMap("to-be-mutated"), false), 201, "create");
    const yes = "yes";
    assert.deepEqual(made.data, { "mutation-start": yes, "mutation-stage-1": yes, "mutation-stage-2": yes });
    await unregister(api, "mutating", name);
  }),
  "webhook changes pods": withService(async (api, namespace, service) => {
    const name = await register(api, namespace, "mutating", service, [
      webhookOn(namespace, "adding-init-container", service.client("/mutating-pods"), ["", "v1", "pods"]),
    ]);
    const made = await create(api, namespace, pods, pod("webhook-to-be-mutated"));
    const [added] = made.spec.initContainers;
    assert.equal(added.name, "webhook-added-init-container");
    // What a webhook adds gets its defaults too.
    assert.deepEqual([added.terminationMessagePolicy, added.terminationMessagePath], ["File", "/dev/termination-log"]);
    await unregister(api, "mutating", name);
  }),
  "webhook configurations are not webhooks' business": withService(async (api, namespace, service) => {
    const both = ["mutatingwebhookconfigurations", "validatingwebhookconfigurations"];
    const rules = [{
      apiGroups: ["admissionregistration.k8s.io"],
      apiVersions: ["*"],
      operations: ["CREATE", "UPDATE", "DELETE"],
      resources: both,
    }];
    const on = ["admissionregistration.k8s.io", "v1", "*"] as const;
    const denies = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-webhooks", service.client("/always-deny"), on, { rules }),
    ]);
    const changesAll = await register(api, namespace, "mutating", service, [
      webhookOn(namespace, "change-webhooks", service.client("/stages"), on, { rules }),
    ]);
    const before = service.hook.asked.length;
    for (const kind of ["validating", "mutating"] as const) {
      const dummy = `dummy-${kind}-${namespace}`;
      const webhooks = [webhookOn(namespace, "dummy", service.client("/always-deny"), ["", "v1", "invalid"])];
      const metadata = { name: dummy };
      good(await api.call("POST", configurationPath(kind), { metadata, webhooks }), 201, "a dummy");
      await unregister(api, kind, dummy);
    }
    assert.deepEqual(service.hook.asked.slice(before), []);
    await unregister(api, "mutating", changesAll);
    await unregister(api, "validating", denies);
  }),
  "webhook changes custom resources": withService(async (api, namespace, service) => {
    await customStages(api, namespace, service, dataSchema, {
      "mutation-start": "yes",
      "mutation-stage-1": "yes",
      "mutation-stage-2": "yes",
    });
  }),
  "webhook changes are pruned": withService(async (api, namespace, service) => {
    const properties = { "mutation-start": { type: "string" }, "mutation-stage-1": { type: "string" } };
    const schema = { type: "object", properties: { data: { type: "object", properties } } };
    await customStages(api, namespace, service, schema, { "mutation-start": "yes", "mutation-stage-1": "yes" });
  }),
  "webhook changes another stored version": withService(async (api, namespace, service) => {
    const group = `${namespace}.example.com`;
    const versions = [{ name: "v1", storage: true, schema: dataSchema }, { name: "v2", schema: dataSchema }];
    const noxu = await define(api, group, "noxu", versions);
    const name = await register(api, namespace, "mutating", service, [
      webhookOn(namespace, "stages", service.client("/stages"), [group, "v1", noxu.plural], {
        rules: [{
          apiGroups: [group],
          apiVersions: ["v1"],
          operations: ["CREATE", "UPDATE"],
          resources: [noxu.plural],
        }],
      }),
    ]);
    const collection = noxu.path("v1", namespace);
    const object = objectOf(noxu, "v1", "cr", { "mutation-start": "yes" });
    good(await api.call("POST", collection, object), 201, "create");
    const storage = [
      { op: "replace", path: "/spec/versions/0/storage", value: false },
      { op: "replace", path: "/spec/versions/1/storage", value: true },
    ];
    const contentType = "application/json-patch+json";
    good(await api.call("PATCH", `${definitions}/${noxu.name}`, storage, { contentType }), 200, "store v2");
    await everywhere("v1 is still served", async () => (await api.call("GET", `${collection}/cr`)).code === 200);
    const patch = { data: { other: "1" } };
    const patched = good(await api.call("PATCH", `${collection}/cr`, patch, merge), 200, "patch");
    const yes = "yes";
    const wanted = { "mutation-start": yes, "mutation-stage-1": yes, "mutation-stage-2": yes, other: "1" };
    assert.deepEqual(patched.data, wanted);
    await unregister(api, "mutating", name);
    await undefine(api, noxu);
  }),
  "webhook denies definitions": withService(async (api, namespace, service) => {
    const on = ["apiextensions.k8s.io", "v1", "customresourcedefinitions"] as const;
    const name = await register(api, namespace, "validating", service, [
      webhookOn(namespace, "deny-crd", service.client("/crd"), on),
    ]);
    const group = `${namespace}.example.com`;
    const names = { plural: "noxus", singular: "noxu", kind: "Noxu", listKind: "NoxuList" };
    const object = {
      metadata: { name: `noxus.${group}`, labels: { "webhook-e2e-test": unwanted } },
      spec: {
        group,
        scope: "Namespaced",
        names,
        versions: [{ name: "v1", served: true, storage: true, schema: { openAPIV3Schema: dataSchema } }],
      },
    };
    refused(await api.call("POST", definitions, object), "the crd contains unwanted label");
    await unregister(api, "validating", name);
  }),
  "webhook conditions skip": withService(async (api, namespace, service) => {
    const matchConditions = [{ name: "skip-me", expression: "object.metadata.name != 'skip-me'" }];
    const name = await register(api, namespace, "mutating", service, [
      webhookOn(namespace, "stages", service.client("/stages"), onConfigMaps, { matchConditions }),
    ]);
    const skipped = good(await tryMap(api, namespace, startingMap("skip-me"), false), 201, "create");
    assert.deepEqual(skipped.data, { "mutation-start": "yes" });
    const changed = good(await tryMap(api, namespace, startingMap("not-skipped"), false), 201, "create");
    assert.equal(changed.data["mutation-stage-1"], "yes");
    await unregister(api, "mutating", name);
  }),
  "validating webhook changed": changedRules("validating"),
  "mutating webhook changed": changedRules("mutating"),
  "validating webhooks listed": listed("validating"),
  "mutating webhooks listed": listed("mutating"),
  async "fields of custom resources selected"(api, namespace) {
    await using service = await openHookService(api, namespace, (_, request) => converted(request));
    const hosts = await defineHosts(api, namespace, service);
    const collection = (version: string, selector: string) =>
      `${hosts.path(version, namespace)}?fieldSelector=${encodeURIComponent(selector)}`;
    const selectors = [["v2", "host=host1"], ["v2", "host=host1,port=80"], ["v1", "hostPort=host1:80"]] as const;
    const watches = [];
    for (const [version, selector] of selectors) {
      watches.push(await api.watch(`${collection(version, selector)}&watch=true&timeoutSeconds=60`));
    }
    const list = async (version: string, selector: string) =>
      good(await api.call("GET", collection(version, selector)), 200, selector).items.map((it: Loose) =>
        it.metadata.name
      ).sort();
    try {
      for (const [name, host, port] of [["a", "host1", "80"], ["b", "host1", "8080"], ["c", "host2", "80"]]) {
        const object = { apiVersion: `${hosts.group}/v2`, kind: hosts.kind, metadata: { name }, host, port };
        good(await api.call("POST", hosts.path("v2", namespace), object), 201, "create");
      }
      assert.deepEqual(await list("v2", "host=host1"), ["a", "b"]);
      assert.deepEqual(await list("v2", "host=host1,port=80"), ["a"]);
      assert.deepEqual(await list("v1", "hostPort=host1:80"), ["a"]);
      assert.deepEqual(await list("v1", "hostPort=host1:8080"), ["b"]);
      const options = { gracePeriodSeconds: 0 };
      good(await api.call("DELETE", collection("v2", "host=host1,port=80"), options), 200, "delete by field");
      const path = hosts.path("v2", namespace, "b");
      const object = good(await api.call("GET", path), 200, "get");
      good(await api.call("PUT", path, { ...object, host: "host2" }), 200, "move to another host");
      assert.deepEqual(await list("v2", "host=host1"), []);
      const stories = await Promise.all([changes(watches[0] as Loose, 4), changes(watches[1] as Loose, 2)]);
      assert.deepEqual(stories, [["ADDED a", "ADDED b", "DELETED a", "DELETED b"], ["ADDED a", "DELETED a"]]);
      assert.deepEqual(await changes(watches[2] as Loose, 2), ["ADDED a", "DELETED a"]);
    } finally {
      for (const watch of watches) await watch.close();
    }
    await undefine(api, hosts);
  },
  async "custom resources converted"(api, namespace) {
    await using service = await openHookService(api, namespace, (_, request) => converted(request));
    const hosts = await defineHosts(api, namespace, service);
    const object = { apiVersion: `${hosts.group}/v1`, kind: hosts.kind, metadata: { name: "cr" }, hostPort: "h:80" };
    good(await api.call("POST", hosts.path("v1", namespace), object), 201, "create in v1");
    const read = good(await api.call("GET", hosts.path("v2", namespace, "cr")), 200, "get in v2");
    assert.deepEqual([read.apiVersion, read.host, read.port], [`${hosts.group}/v2`, "h", "80"]);
    await undefine(api, hosts);
  },
  async "lists of two versions converted"(api, namespace) {
    await using service = await openHookService(api, namespace, (_, request) => converted(request));
    const hosts = await defineHosts(api, namespace, service);
    const first = { apiVersion: `${hosts.group}/v1`, kind: hosts.kind, metadata: { name: "cr-1" }, hostPort: "h:80" };
    good(await api.call("POST", hosts.path("v1", namespace), first), 201, "create in v1");
    const storage = [
      { op: "replace", path: "/spec/versions/0/storage", value: false },
      { op: "replace", path: "/spec/versions/1/storage", value: true },
    ];
    const contentType = "application/json-patch+json";
    good(await api.call("PATCH", `${definitions}/${hosts.name}`, storage, { contentType }), 200, "store v2");
    const second = {
      apiVersion: `${hosts.group}/v2`,
      kind: hosts.kind,
      metadata: { name: "cr-2" },
      host: "i",
      port: "81",
    };
    good(await api.call("POST", hosts.path("v2", namespace), second), 201, "create in v2");
    const inV1 = good(await api.call("GET", hosts.path("v1", namespace)), 200, "list in v1");
    assert.deepEqual(inV1.items.map((it: Loose) => it.hostPort), ["h:80", "i:81"]);
    const inV2 = good(await api.call("GET", hosts.path("v2", namespace)), 200, "list in v2");
    assert.deepEqual(inV2.items.map((it: Loose) => [it.host, it.port]), [["h", "80"], ["i", "81"]]);
    await undefine(api, hosts);
  },
};

/** Those that wait by the clock of the wall. */
export const timedWebhookChecks: Readonly<Record<string, Check>> = {
  "webhook in time": withService(async (api, namespace, service) => {
    const late = async (timeoutSeconds: number, failurePolicy: string) => {
      const name = await register(api, namespace, "validating", service, [
        webhookOn(namespace, "slow", service.client("/late"), onConfigMaps, {
          timeoutSeconds,
          failurePolicy,
          objectSelector: { matchLabels: { slow: "true" } },
        }),
      ]);
      const reply = await tryMap(api, namespace, { metadata: { name: "slow", labels: { slow: "true" } } });
      await unregister(api, "validating", name);
      return reply;
    };
    const cut = await late(1, "Fail");
    refused(cut, "deadline exceeded");
    assert.equal((await late(1, "Ignore")).code, 201, "an ignored failure");
    assert.equal((await late(10, "Fail")).code, 201, "an answer in time");
  }),
};

async function customStages(
  api: Api,
  namespace: string,
  service: HookService,
  schema: Loose,
  data: Loose,
): Promise<void> {
  const group = `${namespace}.example.com`;
  const noxu = await define(api, group, "noxu", [{ name: "v1", storage: true, schema }]);
  const on = [group, "v1", noxu.plural] as const;
  const name = await register(api, namespace, "mutating", service, [
    webhookOn(namespace, "stage-1", service.client("/stages"), on),
    webhookOn(namespace, "stage-2", service.client("/stages"), on),
  ]);
  const object = objectOf(noxu, "v1", "cr", { "mutation-start": "yes" });
  const made = good(await api.call("POST", noxu.path("v1", namespace), object), 201, "create");
  assert.deepEqual(made.data, data);
  await unregister(api, "mutating", name);
  await undefine(api, noxu);
}

/** v1 has `hostPort: "h:1"`, v2 has `host` and `port`: the suite's own example. */
function converted({ desiredAPIVersion, objects }: Loose): Loose {
  const convertedObjects = objects.map(({ hostPort, host, port, ...rest }: Loose) => {
    const object = { ...rest, apiVersion: desiredAPIVersion };
    if (desiredAPIVersion.endsWith("/v1")) return { ...object, hostPort: `${host}:${port}` };
    const [left = "", right = ""] = String(hostPort).split(":");
    return { ...object, host: left, port: right };
  });
  return { result: { status: "Success" }, convertedObjects };
}

async function defineHosts(api: Api, namespace: string, service: HookService) {
  const string = { type: "string" };
  const version = (name: string, storage: boolean, ...fields: string[]) => ({
    name,
    storage,
    schema: { type: "object", properties: Object.fromEntries(fields.map((field) => [field, string])) },
    selectableFields: fields.map((field) => ({ jsonPath: `.${field}` })),
  });
  const webhook = { clientConfig: service.client("/crdconvert"), conversionReviewVersions: ["v1", "v1beta1"] };
  return await define(
    api,
    `${namespace}.example.com`,
    "host",
    [version("v1", true, "hostPort"), version("v2", false, "host", "port")],
    { conversion: { strategy: "Webhook", webhook } },
  );
}
