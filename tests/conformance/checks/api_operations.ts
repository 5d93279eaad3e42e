import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { changes } from "../definitions.ts";
import { type Check, core, create, eventually, pod } from "../helpers.ts";
import { good, infoOf, lifecycle, merge, pathIn, sample, status } from "../lifecycle.ts";

/** `resource` or `resource.group`: the API operations of one kind. */
function operations(resource: string, not: { readonly update?: boolean } = {}): Check {
  return (api, namespace) => lifecycle(api, namespace, infoOf(resource), not);
}

const configMaps = infoOf("configmaps");

async function configMap(api: Api, namespace: string, name: string, more: Loose = {}): Promise<Loose> {
  return await create(api, namespace, configMaps, { metadata: { name, labels: { w: "1" } }, ...more });
}

async function statusOf(api: Api, namespace: string, resource: string): Promise<void> {
  const info = infoOf(resource);
  const object = sample(info, `status-${namespace}`, namespace);
  await create(api, namespace, info, object);
  const path = pathIn(info, namespace, object.metadata.name);
  await status(api, path, info);
  good(await api.call("DELETE", path, { gracePeriodSeconds: 0 }), 200, "delete");
}

async function immutable(api: Api, namespace: string, resource: string): Promise<void> {
  const info = infoOf(resource);
  const path = pathIn(info, namespace, "i");
  const { body } = await api.call("POST", pathIn(info, namespace), { metadata: { name: "i" }, data: { a: "YQ==" } });
  good(await api.call("PUT", path, { ...body, data: { a: "Yg==" } }), 200, "update while mutable");
  good(await api.call("PATCH", path, { immutable: true }, merge), 200, "make immutable");
  assert.equal((await api.call("PATCH", path, { data: { a: "Yw==" } }, merge)).code, 422);
  assert.equal((await api.call("PATCH", path, { immutable: false }, merge)).code, 422);
  good(await api.call("DELETE", path), 200, "delete");
}

async function emptyKey(api: Api, namespace: string, resource: string): Promise<void> {
  const info = infoOf(resource);
  const refused = await api.call("POST", pathIn(info, namespace), { metadata: { name: "e" }, data: { "": "YQ==" } });
  assert.equal(refused.code, 422);
}

/** Created under several labels in several steps, deleted by label. */
async function replaceAndCollect(api: Api, namespace: string, resource: string): Promise<void> {
  const info = infoOf(resource);
  const object = await create(api, namespace, info, sample(info, "one", namespace));
  object.metadata.annotations = { updated: "true" };
  good(await api.call("PUT", pathIn(info, namespace, "one"), object), 200, "replace");
  await create(api, namespace, info, sample(info, "two", namespace));
  const selected = `${pathIn(info, namespace)}?labelSelector=conformance=${namespace}`;
  good(await api.call("DELETE", selected, { gracePeriodSeconds: 0 }), 200, "delete collection");
  assert.deepEqual(good(await api.call("GET", selected), 200, "list").items, []);
}

/** What an apiserver alone answers for. */
export const apiChecks: Readonly<Record<string, Check>> = {
  flowschemas: operations("flowschemas"),
  prioritylevels: operations("prioritylevelconfigurations"),
  policies: operations("validatingadmissionpolicies"),
  policyBindings: operations("validatingadmissionpolicybindings"),
  mutatingPolicies: operations("mutatingadmissionpolicies"),
  mutatingPolicyBindings: operations("mutatingadmissionpolicybindings"),
  controllerrevisions: operations("controllerrevisions"),
  cronjobs: operations("cronjobs"),
  disruptionbudgets: operations("poddisruptionbudgets"),
  leases: operations("leases"),
  endpoints: operations("endpoints"),
  endpointslices: operations("endpointslices"),
  ingresses: operations("ingresses"),
  ingressclasses: operations("ingressclasses"),
  podtemplates: operations("podtemplates"),
  runtimeclasses: operations("runtimeclasses"),
  deviceclasses: operations("deviceclasses"),
  resourceclaims: operations("resourceclaims"),
  resourceclaimtemplates: operations("resourceclaimtemplates"),
  resourceslices: operations("resourceslices"),
  limitranges: operations("limitranges"),
  priorityclasses: operations("priorityclasses"),
  csidrivers: operations("csidrivers"),
  csinodes: operations("csinodes"),
  csistoragecapacities: operations("csistoragecapacities"),
  storageclasses: operations("storageclasses"),
  volumeattachments: operations("volumeattachments"),
  volumeattributesclasses: operations("volumeattributesclasses"),
  events: operations("events"),
  configmaps: operations("configmaps"),
  secrets: operations("secrets"),
  signingrequests: operations("certificatesigningrequests"),
  quotas: operations("resourcequotas"),
  "volumeattachments/status": (api, namespace) => statusOf(api, namespace, "volumeattachments"),
  "resourcequotas/status": (api, namespace) => statusOf(api, namespace, "resourcequotas"),
  "services/status": (api, namespace) => statusOf(api, namespace, "services"),
  "configmaps immutable": (api, namespace) => immutable(api, namespace, "configmaps"),
  "secrets immutable": (api, namespace) => immutable(api, namespace, "secrets"),
  "configmaps empty key": (api, namespace) => emptyKey(api, namespace, "configmaps"),
  "secrets empty key": (api, namespace) => emptyKey(api, namespace, "secrets"),
  "podtemplates replace": (api, namespace) => replaceAndCollect(api, namespace, "podtemplates"),
  "services collection": (api, namespace) => replaceAndCollect(api, namespace, "services"),
  "serviceaccounts": (api, namespace) => replaceAndCollect(api, namespace, "serviceaccounts"),

  async "webhooks discovered"(api) {
    const list = good(await api.call("GET", "/apis/admissionregistration.k8s.io/v1"), 200, "discovery");
    const names = list.resources.map((it: Loose) => it.name);
    assert.ok(names.includes("mutatingwebhookconfigurations") && names.includes("validatingwebhookconfigurations"));
  },
  async "definitions discovered"(api) {
    const list = good(await api.call("GET", "/apis/apiextensions.k8s.io/v1"), 200, "discovery");
    assert.ok(list.resources.some((it: Loose) => it.name === "customresourcedefinitions"));
  },
  async "mutating match conditions"(api, namespace) {
    await matchConditions(api, namespace, "mutatingwebhookconfigurations");
  },
  async "validating match conditions"(api, namespace) {
    await matchConditions(api, namespace, "validatingwebhookconfigurations");
  },
  async "aggregated discovery"(api) {
    const accept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    for (const path of ["/api", "/apis"]) {
      const reply = await api.call("GET", path, undefined, { accept });
      const { items } = good(reply, 200, path);
      assert.match(reply.headers.get("content-type") ?? "", /as=APIGroupDiscoveryList/);
      const all = items.flatMap((group: Loose) => group.versions.flatMap((it: Loose) => it.resources));
      for (const name of path === "/api" ? ["pods", "services"] : ["deployments", "jobs", "ingresses"]) {
        assert.ok(all.some((it: Loose) => it.resource === name), `${name} in ${path}`);
      }
    }
  },
  async "discovery of groups"(api) {
    const { groups } = good(await api.call("GET", "/apis"), 200, "/apis");
    for (const group of groups) {
      const own = good(await api.call("GET", `/apis/${group.name}`), 200, group.name);
      assert.deepEqual(own.versions, group.versions);
      const versions = group.versions.map((it: Loose) => it.groupVersion);
      assert.ok(versions.includes(group.preferredVersion.groupVersion));
      for (const version of versions) {
        const { resources } = good(await api.call("GET", `/apis/${version}`), 200, version);
        assert.ok(resources.length > 0, version);
      }
    }
  },
  async "unknown and duplicate fields"(api, namespace) {
    const info = infoOf("deployments");
    const object = JSON.stringify({ ...sample(info, "d", namespace), spec: { replicas: 1, unknownField: "foo" } })
      .replace(`"replicas":1`, `"replicas":1,"replicas":2`);
    const refused = await api.call("POST", `${pathIn(info, namespace)}?fieldManager=F&fieldValidation=Strict`, object);
    assert.equal(refused.code, 400);
    const words = `strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"`;
    assert.ok(refused.body.message.includes(words), refused.body.message);
  },
  async "unknown metadata"(api, namespace) {
    const info = infoOf("deployments");
    const object = sample(info, "d", namespace);
    object.metadata.unknownMeta = "foo";
    object.spec.template.metadata.unknownSubMeta = "foo";
    const refused = await api.call("POST", `${pathIn(info, namespace)}?fieldValidation=Strict`, object);
    assert.equal(refused.code, 400);
    for (const field of ["metadata.unknownMeta", "spec.template.metadata.unknownSubMeta"]) {
      assert.ok(refused.body.message.includes(`unknown field "${field}"`), refused.body.message);
    }
  },
  async "namespace patch"(api, namespace) {
    const path = `/api/v1/namespaces/${namespace}`;
    const { body } = await api.call("PATCH", path, { metadata: { labels: { testLabel: "testValue" } } }, merge);
    assert.equal(body.metadata.labels.testLabel, "testValue");
  },
  async "namespace update"(api, namespace) {
    const path = `/api/v1/namespaces/${namespace}`;
    const object = good(await api.call("GET", path), 200, "get");
    object.metadata.labels.updated = "1";
    assert.equal(good(await api.call("PUT", path, object), 200, "update").metadata.labels.updated, "1");
  },
  async "namespace status"(api, namespace) {
    await status(api, `/api/v1/namespaces/${namespace}`, infoOf("namespaces"));
  },
  async "namespace finalizer"(api, namespace) {
    const path = `/api/v1/namespaces/${namespace}`;
    const object = good(await api.call("GET", path), 200, "get");
    object.spec.finalizers = ["e2e.example.com/fakeFinalizer", ...(object.spec.finalizers ?? [])];
    const set = good(await api.call("PUT", `${path}/finalize`, object), 200, "finalize");
    assert.ok(set.spec.finalizers.includes("e2e.example.com/fakeFinalizer"));
    set.spec.finalizers = ["kubernetes"];
    const gone = good(await api.call("PUT", `${path}/finalize`, set), 200, "finalize");
    assert.deepEqual(gone.spec.finalizers, ["kubernetes"]);
  },
  async "quota update"(api, namespace) {
    const info = infoOf("resourcequotas");
    await create(api, namespace, info, { metadata: { name: "q" }, spec: { hard: { cpu: "1" } } });
    // The controller may write its status in between.
    const updated = await eventually("an update that nobody is in the way of", async () => {
      const object = good(await api.call("GET", pathIn(info, namespace, "q")), 200, "get");
      object.spec.hard = { cpu: "2", memory: "1Gi" };
      const { code, body } = await api.call("PUT", pathIn(info, namespace, "q"), object);
      return code === 200 ? body : undefined;
    });
    assert.deepEqual(updated.spec.hard, { cpu: "2", memory: "1Gi" });
    good(await api.call("DELETE", pathIn(info, namespace, "q")), 200, "delete");
    assert.equal((await api.call("GET", pathIn(info, namespace, "q"))).code, 404);
  },
  async chunks(api, namespace) {
    const info = infoOf("podtemplates");
    const collection = pathIn(info, namespace);
    for (let i = 0; i < 25; i++) await create(api, namespace, info, sample(info, `template-${100 + i}`, namespace));
    const names: string[] = [];
    let revision = "";
    let next = "";
    do {
      const query = `?limit=10${next === "" ? "" : `&continue=${encodeURIComponent(next)}`}`;
      const list = good(await api.call("GET", collection + query), 200, "chunk");
      if (revision === "") revision = list.metadata.resourceVersion;
      assert.equal(list.metadata.resourceVersion, revision, "one resourceVersion on all chunks");
      names.push(...list.items.map((it: Loose) => it.metadata.name));
      const left = list.metadata.remainingItemCount ?? 0;
      assert.equal(left, 25 - names.length, "remainingItemCount");
      next = list.metadata.continue ?? "";
    } while (next !== "");
    assert.equal(new Set(names).size, 25);
    assert.equal(good(await api.call("GET", collection), 200, "whole").items.length, 25);
  },
  async "table 406"(api) {
    const accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    const body = { spec: { resourceAttributes: { namespace: "default", verb: "get", resource: "pods" } } };
    const path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    assert.equal((await api.call("POST", path, body, { accept })).code, 406);
  },
  async version(api) {
    const { major, minor } = good(await api.call("GET", "/version"), 200, "version");
    assert.match(`${major} ${minor}`, /^\d+ \d+$/);
  },
  async "watch from a version"(api, namespace) {
    const made = await configMap(api, namespace, "a");
    const path = pathIn(configMaps, namespace, "a");
    const first = good(await api.call("PATCH", path, { data: { n: "1" } }, merge), 200, "patch");
    good(await api.call("PATCH", path, { data: { n: "2" } }, merge), 200, "patch");
    good(await api.call("DELETE", path), 200, "delete");
    const query = `?watch=true&fieldSelector=metadata.name=a&timeoutSeconds=30`;
    for (const [from, wanted] of [[made, 3], [first, 2]] as const) {
      const events = await api.watch(
        `${pathIn(configMaps, namespace)}${query}&resourceVersion=${from.metadata.resourceVersion}`,
      );
      const seen = await changes(events, wanted);
      await events.close();
      assert.deepEqual(seen, ["MODIFIED a", "MODIFIED a", "DELETED a"].slice(3 - wanted));
    }
  },
  async "watch restarted"(api, namespace) {
    const made = await configMap(api, namespace, "a");
    const path = pathIn(configMaps, namespace, "a");
    const query = `${pathIn(configMaps, namespace)}?watch=true&fieldSelector=metadata.name=a&timeoutSeconds=30`;
    const events = await api.watch(`${query}&resourceVersion=${made.metadata.resourceVersion}`);
    good(await api.call("PATCH", path, { data: { n: "1" } }, merge), 200, "patch");
    const seen = await events.next();
    await events.close();
    good(await api.call("PATCH", path, { data: { n: "2" } }, merge), 200, "patch");
    good(await api.call("DELETE", path), 200, "delete");
    const again = await api.watch(`${query}&resourceVersion=${seen.object.metadata.resourceVersion}`);
    const rest = await changes(again, 2);
    await again.close();
    assert.deepEqual(rest, ["MODIFIED a", "DELETED a"]);
  },
  async "watch by label"(api, namespace) {
    const collection = pathIn(configMaps, namespace);
    const { metadata } = good(await api.call("GET", collection), 200, "list");
    const watch = (label: string) =>
      api.watch(`${collection}?watch=true&labelSelector=${label}&resourceVersion=${metadata.resourceVersion}`);
    const [a, b, both] = [await watch("l=a"), await watch("l=b"), await watch("l%20in%20(a,b)")];
    for (const label of ["a", "b"]) {
      const path = pathIn(configMaps, namespace, label);
      await create(api, namespace, configMaps, { metadata: { name: label, labels: { l: label } } });
      good(await api.call("PATCH", path, { data: { n: "1" } }, merge), 200, "patch");
      good(await api.call("DELETE", path), 200, "delete");
    }
    const story = (name: string) => [`ADDED ${name}`, `MODIFIED ${name}`, `DELETED ${name}`];
    assert.deepEqual(await changes(a, 3), story("a"));
    assert.deepEqual(await changes(b, 3), story("b"));
    assert.deepEqual(await changes(both, 6), [...story("a"), ...story("b")]);
    for (const it of [a, b, both]) await it.close();
  },
  async "watch left by the selector"(api, namespace) {
    const made = await configMap(api, namespace, "a");
    const collection = pathIn(configMaps, namespace);
    const from = made.metadata.resourceVersion;
    const events = await api.watch(`${collection}?watch=true&labelSelector=w=1&resourceVersion=${from}`);
    for (const w of ["2", "1"]) {
      const patch = { metadata: { labels: { w } } };
      good(await api.call("PATCH", pathIn(configMaps, namespace, "a"), patch, merge), 200, "patch");
    }
    good(await api.call("DELETE", pathIn(configMaps, namespace, "a")), 200, "delete");
    assert.deepEqual(await changes(events, 3), ["DELETED a", "ADDED a", "DELETED a"]);
    await events.close();
  },
  async "concurrent watches"(api, namespace) {
    const made = await configMap(api, namespace, "a");
    const from = made.metadata.resourceVersion;
    const open = () =>
      api.watch(`${pathIn(configMaps, namespace)}?watch=true&labelSelector=w=1&resourceVersion=${from}`);
    const watches = await Promise.all(Array.from({ length: 6 }, open));
    for (let i = 0; i < 10; i++) await configMap(api, namespace, `m-${i}`);
    const stories = await Promise.all(watches.map((it) => changes(it, 10)));
    for (const story of stories) assert.deepEqual(story, stories[0]);
    for (const it of watches) await it.close();
  },
  async "token review"(api, namespace) {
    const path = `${core(namespace)}/serviceaccounts/default/token`;
    const { status: issued } = good(await api.call("POST", path, { spec: { expirationSeconds: 3600 } }), 201, "token");
    const review = { spec: { token: issued.token } };
    const { status: said } = good(
      await api.call("POST", "/apis/authentication.k8s.io/v1/tokenreviews", review),
      201,
      "",
    );
    assert.equal(said.authenticated, true);
    assert.equal(said.user.username, `system:serviceaccount:${namespace}:default`);
  },
  async "serviceaccount update"(api, namespace) {
    const info = infoOf("serviceaccounts");
    const made = await create(api, namespace, info, { metadata: { name: "s" } });
    made.automountServiceAccountToken = false;
    const updated = good(await api.call("PUT", pathIn(info, namespace, "s"), made), 200, "update");
    assert.equal(updated.automountServiceAccountToken, false);
  },
  async "subject reviews"(api, namespace) {
    const resourceAttributes = { namespace, verb: "list", resource: "configmaps", version: "v1" };
    const root = "/apis/authorization.k8s.io/v1";
    const spec = { user: `system:serviceaccount:${namespace}:default`, resourceAttributes };
    const review = good(await api.call("POST", `${root}/subjectaccessreviews`, { spec }), 201, "review");
    assert.equal(review.status.allowed, false);
    const local = `${root}/namespaces/${namespace}/localsubjectaccessreviews`;
    const inside = { metadata: { namespace }, spec };
    assert.equal(good(await api.call("POST", local, inside), 201, "local review").status.allowed, false);
  },
  async "kubernetes service"(api) {
    const service = good(await api.call("GET", "/api/v1/namespaces/default/services/kubernetes"), 200, "service");
    assert.ok(service.spec.ports.some((it: Loose) => it.port === 443));
  },
  async "apiserver endpoints"(api) {
    const endpoints = good(await api.call("GET", "/api/v1/namespaces/default/endpoints/kubernetes"), 200, "endpoints");
    const selector = "labelSelector=kubernetes.io/service-name=kubernetes";
    const path = `/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?${selector}`;
    const { items } = good(await api.call("GET", path), 200, "slices");
    const mine = endpoints.subsets.flatMap((it: Loose) => it.addresses.map((address: Loose) => address.ip)).sort();
    const theirs = items.flatMap((it: Loose) => it.endpoints.flatMap((endpoint: Loose) => endpoint.addresses)).sort();
    assert.ok(mine.length > 0);
    assert.deepEqual(theirs, mine);
  },
  async "services of all namespaces"(api, namespace) {
    await create(api, namespace, infoOf("services"), { metadata: { name: "s" }, spec: { ports: [{ port: 80 }] } });
    const { items } = good(await api.call("GET", "/api/v1/services"), 200, "list");
    assert.ok(items.some((it: Loose) => it.metadata.namespace === namespace && it.metadata.name === "s"));
  },
  async "ip addresses"(api) {
    good(await api.call("GET", "/apis/networking.k8s.io/v1/ipaddresses"), 200, "list");
    const info = infoOf("ipaddresses");
    const object = sample(info, "10.255.255.254", "ip");
    object.metadata.name = "10.255.255.254";
    await create(api, "", info, object);
    good(await api.call("DELETE", pathIn(info, "", "10.255.255.254")), 200, "delete");
  },
  servicecidrs: operations("servicecidrs", { update: true }),
  async "node lifecycle"(api, namespace) {
    const info = infoOf("nodes");
    const name = `fake-${namespace}`;
    const made = await create(api, "", info, {
      metadata: { name, labels: { fake: "1" } },
      spec: { unschedulable: true },
    });
    made.metadata.labels.fake = "2";
    const path = pathIn(info, "", name);
    good(await api.call("PATCH", path, { metadata: { labels: { p: "1" } } }, merge), 200, "patch");
    const condition = { type: "Ready", status: "True", reason: "R", message: "", lastTransitionTime: null };
    const patched = await api.call("PATCH", `${path}/status`, { status: { conditions: [condition] } }, merge);
    assert.equal(good(patched, 200, "status").status.conditions.length, 1);
    good(await api.call("DELETE", path), 200, "delete");
    assert.equal((await api.call("GET", path)).code, 404);
  },
  async "pods collection"(api, namespace) {
    const info = infoOf("pods");
    for (const name of ["a", "b", "c"]) await create(api, namespace, info, pod(name));
    good(await api.call("DELETE", pathIn(info, namespace), { gracePeriodSeconds: 0 }), 200, "delete collection");
    assert.deepEqual(good(await api.call("GET", pathIn(info, namespace)), 200, "list").items, []);
  },
  async "pod status"(api, namespace) {
    const info = infoOf("pods");
    await create(api, namespace, info, pod("p"));
    const path = `${pathIn(info, namespace, "p")}/status`;
    const patched = await api.call("PATCH", path, { status: { message: "Patched by a conformance check" } }, merge);
    assert.equal(good(patched, 200, "patch").status.message, "Patched by a conformance check");
  },
  async "pod quality of service"(api, namespace) {
    const resources = { requests: { cpu: "100m", memory: "100Mi" }, limits: { cpu: "100m", memory: "100Mi" } };
    const containers = [{ name: "c", image: "i", resources }];
    const made = await create(api, namespace, infoOf("pods"), pod("p", { containers }));
    assert.equal(made.status.qosClass, "Guaranteed");
  },
  async "pod generation"(api, namespace) {
    const info = infoOf("pods");
    const object = pod("p");
    object.metadata.generation = 100;
    const made = await create(api, namespace, info, object);
    assert.equal(made.metadata.generation, 1);
  },
  async "active deadline"(api, namespace) {
    const info = infoOf("pods");
    await create(api, namespace, info, pod("p", { activeDeadlineSeconds: 100 }));
    const patch = { spec: { activeDeadlineSeconds: 5 } };
    const path = pathIn(info, namespace, "p");
    assert.equal(good(await api.call("PATCH", path, patch, merge), 200, "patch").spec.activeDeadlineSeconds, 5);
  },
  async "unknown runtime class"(api, namespace) {
    const refused = await api.call("POST", pathIn(infoOf("pods"), namespace), pod("p", { runtimeClassName: "none" }));
    assert.equal(refused.code, 403);
  },
  async "invalid sysctls"(api, namespace) {
    const sysctls = ["foo-", "kernel.shmmax", "safe-and-unsafe", "kernel.shm_rmid_forced"].map((name) => ({
      name,
      value: "1",
    }));
    const bad = [{ name: "foo-", value: "bar" }, { name: "bar..", value: "42" }, ...sysctls.slice(1)];
    const refused = await api.call(
      "POST",
      pathIn(infoOf("pods"), namespace),
      pod("p", { securityContext: { sysctls: bad } }),
    );
    assert.equal(refused.code, 422);
    for (const name of ["foo-", "bar.."]) assert.ok(refused.body.message.includes(`Invalid value: "${name}"`));
  },
  async "limit range defaults"(api, namespace) {
    const limits = [{ type: "Container", default: { cpu: "500m" }, defaultRequest: { cpu: "100m" } }];
    await create(api, namespace, infoOf("limitranges"), { metadata: { name: "l" }, spec: { limits } });
    for (let i = 0; i < 50; i++) {
      const { body } = await api.call("POST", `${pathIn(infoOf("pods"), namespace)}?dryRun=All`, pod("p"));
      const resources = body.spec?.containers[0].resources ?? {};
      // The plugin reads a watch cache, which may be a moment behind.
      if (resources.limits?.cpu === "500m" && resources.requests?.cpu === "100m") return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.fail("the defaults of the LimitRange were not applied");
  },
  async "csi volumes of pods"(api, namespace) {
    const volumes = [{ name: "v", csi: { driver: "inline.example.com" } }];
    const info = infoOf("pods");
    const made = await create(api, namespace, info, pod("p", { volumes }));
    assert.equal(made.spec.volumes[0].csi.driver, "inline.example.com");
    const label = { metadata: { labels: { a: "b" } } };
    good(await api.call("PATCH", pathIn(info, namespace, "p"), label, merge), 200, "patch");
    good(await api.call("DELETE", pathIn(info, namespace, "p"), { gracePeriodSeconds: 0 }), 200, "delete");
  },
  async "volumes and claims"(api, namespace) {
    for (const resource of ["persistentvolumes", "persistentvolumeclaims"]) {
      const info = infoOf(resource);
      const name = `life-${namespace}`;
      await create(api, namespace, info, sample(info, name, namespace));
      const path = pathIn(info, namespace, name);
      good(await api.call("PATCH", path, { metadata: { labels: { x: "1" } } }, merge), 200, "patch");
      await status(api, path, info);
      good(await api.call("PATCH", path, { metadata: { finalizers: null } }, merge), 200, "patch");
      good(await api.call("DELETE", path), 200, "delete");
    }
  },
  async "definition lifecycle"(api) {
    const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    const schema = { openAPIV3Schema: { type: "object" } };
    const names = { plural: "noxus", kind: "Noxu", singular: "noxu" };
    const versions = [{ name: "v1", served: true, storage: true, schema }];
    const spec = { group: "conformance.example.com", scope: "Namespaced", names, versions };
    const name = "noxus.conformance.example.com";
    good(await api.call("POST", path, { metadata: { name }, spec }), 201, "create");
    good(await api.call("GET", `${path}/${name}`), 200, "get");
    assert.ok(good(await api.call("GET", path), 200, "list").items.some((it: Loose) => it.metadata.name === name));
    good(await api.call("GET", `${path}/${name}/status`), 200, "status");
    good(await api.call("DELETE", `${path}/${name}`), 200, "delete");
    for (let i = 0; (await api.call("GET", `${path}/${name}`)).code !== 404; i++) {
      assert.ok(i < 100, "the definition goes");
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  },
  async "two nodes"(api) {
    const { items } = good(await api.call("GET", "/api/v1/nodes"), 200, "nodes");
    const free = items.filter((it: Loose) => (it.spec.taints ?? []).length === 0 && it.spec.unschedulable !== true);
    assert.ok(free.length >= 2, `${free.length} untainted nodes`);
  },
};

async function matchConditions(api: Api, namespace: string, resource: string): Promise<void> {
  const info = infoOf(resource);
  const object = sample(info, `match-${namespace}`, namespace);
  const condition = { name: "expression-1", expression: "object.metadata.namespace == 'production'" };
  object.webhooks[0].matchConditions = [condition];
  const made = await create(api, "", info, object);
  assert.deepEqual(made.webhooks[0].matchConditions, [condition]);
  made.webhooks[0].matchConditions = [{ ...condition, expression: "true" }];
  const path = pathIn(info, "", object.metadata.name);
  const updated = good(await api.call("PUT", path, made), 200, "update");
  assert.equal(updated.webhooks[0].matchConditions[0].expression, "true");
  good(await api.call("DELETE", path), 200, "delete");
}
