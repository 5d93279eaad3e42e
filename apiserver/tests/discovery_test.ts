import assert from "node:assert/strict";
import { apiVersionOf, served } from "../../api/resources.ts";
import { start } from "../testing.ts";

const aggregatedV2 = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/** Every group but the core, by upstream's priorities. */
const groupNames = [
  "apiregistration.k8s.io",
  "apps",
  "events.k8s.io",
  "authentication.k8s.io",
  "authorization.k8s.io",
  "autoscaling",
  "batch",
  "certificates.k8s.io",
  "networking.k8s.io",
  "policy",
  "rbac.authorization.k8s.io",
  "storage.k8s.io",
  "admissionregistration.k8s.io",
  "apiextensions.k8s.io",
  "scheduling.k8s.io",
  "coordination.k8s.io",
  "node.k8s.io",
  "discovery.k8s.io",
  "flowcontrol.apiserver.k8s.io",
  "resource.k8s.io",
];

interface Named {
  readonly name: string;
}

Deno.test("/api and /apis list versions and groups; group and version documents agree with them", async () => {
  await using server = await start();
  const api = await server.get("/api");
  assert.equal(api.body.kind, "APIVersions");
  assert.deepEqual(api.body.versions, ["v1"]);
  const apis = await server.get("/apis");
  assert.equal(apis.body.kind, "APIGroupList");
  assert.deepEqual(apis.body.groups.map((it: Named) => it.name), groupNames);
  const apps = await server.get("/apis/apps");
  assert.equal(apps.body.kind, "APIGroup");
  assert.deepEqual(apps.body.preferredVersion, { groupVersion: "apps/v1", version: "v1" });
  assert.equal((await server.get("/apis/nope")).code, 404);
});

Deno.test("/api/v1 names every resource and sub-resource with its verbs", async () => {
  await using server = await start();
  const { body } = await server.get("/api/v1");
  assert.equal(body.kind, "APIResourceList");
  assert.equal(body.groupVersion, "v1");
  const find = (name: string) => body.resources.find((it: Named) => it.name === name);
  assert.deepEqual(find("pods"), {
    name: "pods",
    singularName: "pod",
    namespaced: true,
    kind: "Pod",
    verbs: ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
    shortNames: ["po"],
    categories: ["all"],
  });
  assert.deepEqual(find("pods/exec"), {
    name: "pods/exec",
    singularName: "",
    namespaced: true,
    kind: "PodExecOptions",
    verbs: ["create", "get"],
  });
  assert.equal(find("serviceaccounts/token").group, "authentication.k8s.io");
  assert.equal(find("namespaces").verbs.includes("deletecollection"), false);
  assert.deepEqual(find("nodes").namespaced, false);
  const apps = await server.get("/apis/apps/v1");
  const scale = apps.body.resources.find((it: Named) => it.name === "deployments/scale");
  assert.deepEqual([scale.group, scale.version, scale.kind], ["autoscaling", "v1", "Scale"]);
});

Deno.test("aggregated discovery by Accept, with ETag and 304", async () => {
  await using server = await start();
  const accept =
    `${aggregatedV2},application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json`;
  for (
    const [path, groups] of [["/api", [undefined]], ["/apis", groupNames]]
  ) {
    const answer = await server.get(String(path), { headers: { accept } });
    assert.equal(answer.headers.get("content-type"), aggregatedV2);
    assert.equal(answer.headers.get("vary"), "Accept");
    assert.equal(answer.headers.get("cache-control"), "public");
    assert.equal(answer.body.apiVersion, "apidiscovery.k8s.io/v2");
    assert.deepEqual(answer.body.items.map((it: { metadata: Named }) => it.metadata.name), groups);
    const etag = answer.headers.get("etag") ?? "";
    assert.match(etag, /^"[0-9A-F]+"$/);
    const same = await server.raw("GET", String(path), { headers: { accept, "if-none-match": etag } });
    assert.equal(same.status, 304);
    assert.equal(await same.text(), "");
  }
  const beta = await server.get("/apis", { headers: { accept: aggregatedV2.replace("v=v2;", "v=v2beta1;") } });
  assert.equal(beta.body.apiVersion, "apidiscovery.k8s.io/v2beta1");
  const apps = beta.body.items.find((it: { metadata: Named }) => it.metadata.name === "apps");
  const deployments = apps.versions[0].resources.find((it: { resource: string }) => it.resource === "deployments");
  assert.equal(deployments.resource, "deployments");
  assert.equal(deployments.scope, "Namespaced");
  assert.deepEqual(deployments.responseKind, { group: "apps", version: "v1", kind: "Deployment" });
  assert.equal(apps.versions[0].freshness, "Current");
});

Deno.test("/version is v1.36.0 with numeric major and minor", async () => {
  await using server = await start();
  const { body } = await server.get("/version");
  assert.equal(body.gitVersion, "v1.36.0");
  assert.equal(Number(body.major), 1);
  assert.equal(Number(body.minor), 36);
});

Deno.test("health answers ok, says more with verbose, and names checks", async () => {
  await using server = await start();
  for (const path of ["/healthz", "/livez", "/readyz"]) assert.equal((await server.get(path)).body, "ok");
  const verbose = await server.get("/readyz?verbose");
  assert.match(verbose.body, /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd ok\n/);
  assert.match(verbose.body, /readyz check passed\n$/);
  assert.equal((await server.get("/readyz/etcd")).body, "ok");
  assert.equal((await server.get("/readyz/nope")).code, 404);
  await server.server.stop();
  const down = await server.get("/readyz");
  assert.equal(down.code, 500);
  assert.match(down.body, /\[-\]shutdown failed: reason withheld\n/);
  assert.match(down.body, /readyz check failed\n$/);
  assert.equal((await server.get("/livez")).code, 200);
});

Deno.test("/openapi/v3: the index leads to documents whose hash makes them immutable; a wrong hash is redirected", async () => {
  await using server = await start();
  const index = await server.get("/openapi/v3");
  const names = new Set(served.map((info) => info.group === "" ? "api/v1" : `apis/${apiVersionOf(info)}`));
  assert.deepEqual(Object.keys(index.body.paths), [...names]);
  const url = index.body.paths["apis/apps/v1"].serverRelativeURL;
  const document = await server.get(url);
  assert.match(document.headers.get("cache-control") ?? "", /immutable/);
  assert.equal(document.body.openapi, "3.0.0");
  const moved = await server.raw("GET", "/openapi/v3/apis/apps/v1?hash=OLD");
  assert.equal(moved.status, 301);
  assert.equal(moved.headers.get("location"), url);
  await moved.body?.cancel();
  assert.equal((await server.get("/openapi/v3/apis/nope/v1")).code, 404);
});

Deno.test("/openapi/v3 has what kubectl apply, create and explain read", async () => {
  await using server = await start();
  const { body } = await server.get("/openapi/v3/apis/apps/v1");
  const item = body.paths["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
  assert.deepEqual(item.patch["x-kubernetes-group-version-kind"], { group: "apps", version: "v1", kind: "Deployment" });
  assert.ok(item.patch.parameters.some((it: Named) => it.name === "fieldValidation"));
  assert.ok(item.patch.parameters.some((it: Named) => it.name === "dryRun"));
  assert.ok("application/strategic-merge-patch+json" in item.patch.requestBody.content);
  const deployment = body.components.schemas["io.k8s.api.apps.v1.Deployment"];
  assert.deepEqual(deployment["x-kubernetes-group-version-kind"], [{
    group: "apps",
    version: "v1",
    kind: "Deployment",
  }]);
  assert.deepEqual(deployment.properties.spec.allOf, [{
    $ref: "#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec",
  }]);
  const { containers } = body.components.schemas["io.k8s.api.core.v1.PodSpec"].properties;
  assert.equal(containers["x-kubernetes-patch-merge-key"], "name");
  assert.equal(containers["x-kubernetes-patch-strategy"], "merge");
  assert.deepEqual(containers["x-kubernetes-list-map-keys"], ["name"]);
});

Deno.test("every reference in the OpenAPI documents leads somewhere", async () => {
  await using server = await start();
  const check = (document: unknown, prefix: string, known: ReadonlySet<string>) => {
    const text = JSON.stringify(document);
    const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => String(match[1]));
    assert.ok(references.length > 20);
    for (const reference of references) assert.ok(known.has(reference.slice(prefix.length)), reference);
  };
  for (const name of ["api/v1", "apis/apps/v1", "apis/coordination.k8s.io/v1", "apis/discovery.k8s.io/v1"]) {
    const { body } = await server.get(`/openapi/v3/${name}`);
    check(body, "#/components/schemas/", new Set(Object.keys(body.components.schemas)));
  }
  const { body } = await server.get("/openapi/v2");
  assert.equal(body.swagger, "2.0");
  check(body, "#/definitions/", new Set(Object.keys(body.definitions)));
});
