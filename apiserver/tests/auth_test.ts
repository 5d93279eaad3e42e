import assert from "node:assert/strict";
import { start, type TestServer } from "../testing.ts";

const node = (name: string) => ({ commonName: `system:node:${name}`, organizations: ["system:nodes"] });
const nobody = { commonName: "jane", organizations: ["dev"] };
const scheduler = { commonName: "system:kube-scheduler", organizations: [] };
const manager = { commonName: "system:kube-controller-manager", organizations: [] };
const proxy = { commonName: "system:kube-proxy", organizations: [] };
const pods = "/api/v1/namespaces/default/pods";

async function withPods(server: TestServer): Promise<void> {
  await server.post("/api/v1/namespaces/default/serviceaccounts", { metadata: { name: "default" } });
  for (const [name, nodeName, config] of [["p1", "n1", "c1"], ["p2", "n2", "c2"]]) {
    const made = await server.post(pods, {
      metadata: { name },
      spec: {
        nodeName,
        containers: [{ name: "c", image: "i", envFrom: [{ configMapRef: { name: config } }] }],
        volumes: [{ name: "v", secret: { secretName: `s-${name}` } }],
      },
    });
    assert.equal(made.code, 201);
  }
  for (const name of ["c1", "c2"]) await server.post("/api/v1/namespaces/default/configmaps", { metadata: { name } });
  for (const name of ["s-p1", "s-p2"]) await server.post("/api/v1/namespaces/default/secrets", { metadata: { name } });
}

Deno.test("without credentials only health and version are answered; everything else is 401", async () => {
  await using server = await start();
  for (const path of ["/healthz", "/livez", "/readyz", "/version", "/readyz/ping"]) {
    assert.equal((await server.get(path, { as: null })).code, 200, path);
  }
  for (const path of ["/api", "/apis", "/metrics", pods, "/openapi/v2", "/", "/version/x"]) {
    const answer = await server.get(path, { as: null });
    assert.equal(answer.code, 401, path);
    assert.deepEqual(answer.body, {
      kind: "Status",
      apiVersion: "v1",
      metadata: {},
      status: "Failure",
      message: "Unauthorized",
      reason: "Unauthorized",
      code: 401,
    });
  }
});

Deno.test("a user without rights is denied in upstream's words", async () => {
  await using server = await start();
  const one = await server.get(`${pods}/x`, { as: nobody });
  assert.deepEqual(one.body, {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: 'pods "x" is forbidden: User "jane" cannot get resource "pods" in API group "" in the namespace "default"',
    reason: "Forbidden",
    details: { name: "x", kind: "pods" },
    code: 403,
  });
  const cases: [string, string, string][] = [
    [
      "GET",
      "/api/v1/nodes",
      'nodes is forbidden: User "jane" cannot list resource "nodes" in API group "" at the cluster scope',
    ],
    [
      "GET",
      "/api/v1/pods?watch=1",
      'pods is forbidden: User "jane" cannot watch resource "pods" in API group "" at the cluster scope',
    ],
    [
      "GET",
      `${pods}/x/log`,
      'pods "x" is forbidden: User "jane" cannot get resource "pods/log" in API group "" in the namespace "default"',
    ],
    [
      "GET",
      `${pods}/x/exec`,
      'pods "x" is forbidden: User "jane" cannot get resource "pods/exec" in API group "" in the namespace "default"',
    ],
    [
      "POST",
      "/apis/apps/v1/namespaces/ns/deployments",
      'deployments.apps is forbidden: User "jane" cannot create resource "deployments" in API group "apps" in the namespace "ns"',
    ],
    [
      "DELETE",
      pods,
      'pods is forbidden: User "jane" cannot deletecollection resource "pods" in API group "" in the namespace "default"',
    ],
    ["GET", "/metrics", 'forbidden: User "jane" cannot get path "/metrics"'],
    ["GET", "/nope", 'forbidden: User "jane" cannot get path "/nope"'],
  ];
  for (const [method, path, message] of cases) {
    const response = await server.raw(method, path, { as: nobody });
    assert.equal(response.status, 403, path);
    assert.equal((await response.json()).message, message);
  }
  assert.equal((await server.get("/apis", { as: nobody })).code, 200);
});

Deno.test("a front proxy's identity headers are refused, not obeyed", async () => {
  await using server = await start();
  for (const name of ["X-Remote-User", "X-Remote-Group", "X-Remote-Extra-Scopes"]) {
    assert.equal((await server.get("/api/v1/nodes", { headers: { [name]: "system:masters" } })).code, 403, name);
    assert.equal((await server.get("/api/v1/nodes", { as: null, headers: { [name]: "x" } })).code, 401, name);
  }
});

Deno.test("a certificate without a name, and a node's name without the group, prove nothing", async () => {
  await using server = await start();
  assert.equal((await server.get(pods, { as: { commonName: "", organizations: ["system:masters"] } })).code, 401);
  const fake = { commonName: "system:node:n1", organizations: [] };
  assert.equal((await server.get("/api/v1/nodes", { as: fake })).code, 403);
});

Deno.test("the scheduler reads, binds and reports; it neither creates pods nor reads secrets", async () => {
  await using server = await start();
  await withPods(server);
  assert.equal((await server.get("/api/v1/pods", { as: scheduler })).code, 200);
  assert.equal((await server.get("/api/v1/nodes", { as: scheduler })).code, 200);
  await server.post(pods, { metadata: { name: "p3" }, spec: { containers: [{ name: "c", image: "i" }] } });
  const bound = await server.post(`${pods}/p3/binding`, {
    metadata: { name: "p3" },
    target: { kind: "Node", name: "n1" },
  }, { as: scheduler });
  assert.equal(bound.code, 201);
  assert.equal((await server.post(pods, {}, { as: scheduler })).code, 403);
  assert.equal((await server.get("/api/v1/secrets", { as: scheduler })).code, 403);
  assert.equal((await server.patch("/api/v1/nodes/n1", {}, { as: scheduler })).code, 403);
});

Deno.test("the controller-manager writes every resource but runs no commands; the proxy only reads routes", async () => {
  await using server = await start();
  await withPods(server);
  assert.equal((await server.delete("/api/v1/namespaces/default/secrets", undefined, { as: manager })).code, 200);
  assert.equal((await server.get(`${pods}/p1/exec?command=ls`, { as: manager })).code, 403);
  assert.equal((await server.get(`${pods}/p1/log`, { as: manager })).code, 403);
  assert.equal((await server.get("/api/v1/services", { as: proxy })).code, 200);
  assert.equal((await server.get("/apis/discovery.k8s.io/v1/endpointslices", { as: proxy })).code, 200);
  assert.equal((await server.get("/api/v1/pods", { as: proxy })).code, 403);
  assert.equal((await server.get("/api/v1/secrets", { as: proxy })).code, 403);
});

Deno.test("a kubelet sees its own pods and what they refer to, nothing of another's", async () => {
  await using server = await start();
  await withPods(server);
  const as = node("n1");
  const codes = async (...paths: string[]) => {
    const found: number[] = [];
    for (const path of paths) found.push((await server.raw("GET", path, { as })).status);
    return found;
  };
  assert.deepEqual(await codes(`${pods}/p1`, `${pods}/p2`, pods, "/api/v1/pods"), [200, 403, 403, 403]);
  assert.deepEqual(
    await codes("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn2"),
    [200, 403],
  );
  const config = "/api/v1/namespaces/default/configmaps";
  const secrets = "/api/v1/namespaces/default/secrets";
  assert.deepEqual(await codes(`${config}/c1`, `${config}/c2`, config), [200, 403, 403]);
  assert.deepEqual(await codes(`${secrets}/s-p1`, `${secrets}/s-p2`, secrets), [200, 403, 403]);
  assert.deepEqual(
    await codes(`${config}?fieldSelector=metadata.name%3Dc1`, `${config}?fieldSelector=metadata.name%3Dc2`),
    [200, 403],
  );
  const denied = await server.get(`${pods}/p2`, { as });
  assert.match(denied.body.message, /: no relationship found between node 'n1' and this object$/);
});

Deno.test("a kubelet reads its own Node, and the claims, volumes and attachments that its pods lead to", async () => {
  await using server = await start();
  await withPods(server);
  const as = node("n1");
  const code = async (path: string) => (await server.get(path, { as })).code;
  for (const name of ["n1", "n2"]) await server.post("/api/v1/nodes", { metadata: { name } });
  assert.equal(await code("/api/v1/nodes/n1"), 200);
  assert.equal(await code("/api/v1/nodes?fieldSelector=metadata.name%3Dn1"), 200);
  const all = await server.get("/api/v1/nodes", { as });
  assert.match(all.body.message, /: node 'n1' cannot read all nodes, only its own Node object$/);
  assert.equal(await code("/api/v1/nodes/n2"), 403);

  const claims = "/api/v1/namespaces/default/persistentvolumeclaims";
  for (const [pod, nodeName, claimName] of [["v1", "n1", "used"], ["v2", "n2", "other"]]) {
    const storage = { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } };
    await server.post(claims, { metadata: { name: claimName }, spec: storage });
    await server.post("/api/v1/persistentvolumes", {
      metadata: { name: `pv-${claimName}` },
      spec: {
        capacity: { storage: "1Gi" },
        accessModes: ["ReadWriteOnce"],
        hostPath: { path: "/v" },
        claimRef: { namespace: "default", name: claimName },
      },
    });
    await server.post(pods, {
      metadata: { name: pod },
      spec: {
        nodeName,
        containers: [{ name: "c", image: "i" }],
        volumes: [{ name: "v", persistentVolumeClaim: { claimName } }],
      },
    });
    await server.post("/apis/storage.k8s.io/v1/volumeattachments", {
      metadata: { name: `a-${nodeName}` },
      spec: { attacher: "x", nodeName, source: { persistentVolumeName: `pv-${claimName}` } },
    });
  }
  assert.equal(await code(`${claims}/used`), 200);
  assert.equal(await code(`${claims}/other`), 403);
  assert.equal(await code(claims), 403);
  assert.equal(await code("/api/v1/persistentvolumes/pv-used"), 200);
  assert.equal(await code("/api/v1/persistentvolumes/pv-other"), 403);
  assert.equal(await code("/apis/storage.k8s.io/v1/volumeattachments/a-n1"), 200);
  assert.equal(await code("/apis/storage.k8s.io/v1/volumeattachments/a-n2"), 403);
  const csiNodes = "/apis/storage.k8s.io/v1/csinodes";
  const csiNode = (name: string) => server.post(csiNodes, { metadata: { name }, spec: { drivers: [] } }, { as });
  assert.equal((await csiNode("n1")).code, 201);
  assert.equal((await csiNode("n2")).code, 403);
  assert.equal(await code(`${csiNodes}/n2`), 403);
});

Deno.test("a kubelet writes its own Node, Lease and pod statuses only", async () => {
  await using server = await start();
  await withPods(server);
  const as = node("n1");
  const nodes = "/api/v1/nodes";
  const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
  assert.equal((await server.post(nodes, { metadata: { name: "n1" } }, { as })).code, 201);
  const other = await server.post(nodes, { metadata: { name: "n2" } }, { as });
  assert.equal(other.code, 403);
  assert.equal(other.body.message, 'nodes "n2" is forbidden: node "n1" is not allowed to modify node "n2"');
  await server.post(nodes, { metadata: { name: "n2" } });
  assert.equal((await server.patch(`${nodes}/n1/status`, { status: { phase: "Running" } }, { as })).code, 200);
  assert.equal((await server.patch(`${nodes}/n2/status`, {}, { as })).code, 403);
  assert.equal((await server.delete(`${nodes}/n1`, undefined, { as })).code, 403);
  assert.equal((await server.post(leases, { metadata: { name: "n1" } }, { as })).code, 201);
  assert.equal((await server.post(leases, { metadata: { name: "n2" } }, { as })).code, 403);
  assert.equal((await server.get(`${leases}/n2`, { as })).code, 403);
  assert.equal((await server.patch(`${pods}/p1/status`, { status: { phase: "Running" } }, { as })).code, 200);
  assert.equal((await server.patch(`${pods}/p2/status`, { status: { phase: "Running" } }, { as })).code, 403);
  assert.equal((await server.patch(`${pods}/p1`, { metadata: { labels: { a: "b" } } }, { as })).code, 403);
  assert.equal((await server.post(pods, {}, { as })).code, 403);
  assert.equal((await server.delete(`${pods}/p2`, undefined, { as })).code, 403);
  assert.equal((await server.delete(`${pods}/p1`, { gracePeriodSeconds: 0 }, { as })).code, 200);
});

Deno.test("a kubelet may not relabel, taint or own its Node into something else", async () => {
  await using server = await start();
  const as = node("n1");
  const nodes = "/api/v1/nodes";
  const labels = { "kubernetes.io/hostname": "n1", "node-restriction.kubernetes.io/x": "y" };
  const restricted = await server.post(nodes, { metadata: { name: "n1", labels } }, { as });
  assert.equal(restricted.code, 403);
  assert.match(
    restricted.body.message,
    /is not allowed to set the following labels: node-restriction\.kubernetes\.io\/x$/,
  );
  await server.post(nodes, { metadata: { name: "n1", labels: { "kubernetes.io/hostname": "n1" } } }, { as });
  assert.equal((await server.patch(`${nodes}/n1`, { metadata: { labels: { plain: "ok" } } }, { as })).code, 200);
  for (
    const patch of [
      { metadata: { labels: { "node-role.kubernetes.io/control-plane": "" } } },
      { metadata: { ownerReferences: [{ apiVersion: "v1", kind: "Pod", name: "p", uid: "u" }] } },
      { spec: { taints: [{ key: "a", effect: "NoSchedule" }] } },
    ]
  ) {
    assert.equal((await server.patch(`${nodes}/n1`, patch, { as })).code, 403, JSON.stringify(patch));
  }
});

Deno.test("a service account's token identifies it while it and its pod exist; unbound, it may only discover", async () => {
  await using server = await start();
  await withPods(server);
  const token = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const made = await server.post(token, { spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p1" } } });
  assert.equal(made.code, 201);
  assert.equal(made.body.kind, "TokenRequest");
  assert.equal(made.body.apiVersion, "authentication.k8s.io/v1");
  assert.equal(made.body.status.expirationTimestamp, "2026-01-01T01:00:00Z");
  const bearer = { as: null, headers: { authorization: `Bearer ${made.body.status.token}` } };
  const denied = await server.get(pods, bearer);
  assert.equal(denied.code, 403);
  assert.match(denied.body.message, /User "system:serviceaccount:default:default" cannot list resource "pods"/);
  assert.equal((await server.get("/apis", bearer)).code, 200);
  await server.delete(`${pods}/p1`, { gracePeriodSeconds: 0 });
  assert.equal((await server.get("/apis", bearer)).code, 401);
});

Deno.test("a browser's WebSocket brings its token as a subprotocol", async () => {
  await using server = await start();
  await withPods(server);
  const made = await server.post("/api/v1/namespaces/default/serviceaccounts/default/token", {});
  const ask = (token: string) => {
    const encoded = btoa(token).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    const protocols = `base64url.bearer.authorization.k8s.io.${encoded}, v5.channel.k8s.io`;
    const headers = { connection: "Upgrade", upgrade: "websocket", "sec-websocket-protocol": protocols };
    return server.get(`${pods}/p1/attach`, { as: null, headers });
  };
  const known = await ask(made.body.status.token);
  assert.equal(known.code, 403);
  assert.match(known.body.message, /User "system:serviceaccount:default:default" cannot/);
  assert.equal((await ask("wrong")).code, 401);
});

Deno.test("tokens expire; wrong, foreign and broken ones are 401 even where anonymous would do", async () => {
  await using server = await start();
  await withPods(server);
  const token = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const made = await server.post(token, { spec: { expirationSeconds: 600 } });
  const bearer = { as: null, headers: { authorization: `Bearer ${made.body.status.token}` } };
  assert.equal((await server.get("/apis", bearer)).code, 200);
  await server.time.advance(601_000);
  assert.equal((await server.get("/apis", bearer)).code, 401);
  const foreign = await server.post(token, { spec: { audiences: ["somewhere.else"] } });
  const elsewhere = { as: null, headers: { authorization: `Bearer ${foreign.body.status.token}` } };
  assert.equal((await server.get("/apis", elsewhere)).code, 401);
  for (const authorization of ["Bearer x", "Bearer a.b.c", "Basic Zm9vOmJhcg==", "Bearer"]) {
    assert.equal((await server.get("/healthz", { as: null, headers: { authorization } })).code, 401, authorization);
  }
});

Deno.test("token requests are checked: duration, bound object, whose kubelet asks", async () => {
  await using server = await start();
  await withPods(server);
  const token = "/api/v1/namespaces/default/serviceaccounts/default/token";
  const short = await server.post(token, { spec: { expirationSeconds: 60 } });
  assert.equal(short.code, 422);
  assert.match(
    short.body.message,
    /spec\.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes/,
  );
  assert.equal((await server.post(token, { spec: { boundObjectRef: { kind: "Pod", name: "nope" } } })).code, 404);
  const wrongUid = await server.post(token, { spec: { boundObjectRef: { kind: "Pod", name: "p1", uid: "x" } } });
  assert.equal(wrongUid.code, 409);
  assert.equal((await server.post(`${token.replace("/default/token", "/nope/token")}`, {})).code, 404);
  const bound = async (name: string) => {
    const { uid } = (await server.get(`${pods}/${name}`)).body.metadata;
    return { spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid } } };
  };
  const asNode = async (body: unknown) => await server.post(token, body, { as: node("n1") });
  assert.equal((await asNode(await bound("p1"))).code, 201);
  const refused = 'serviceaccounts "default" is forbidden: node requested token ';
  assert.equal(
    (await asNode(await bound("p2"))).body.message,
    `${refused}bound to a pod scheduled on a different node`,
  );
  assert.equal((await asNode({})).body.message, `${refused}not bound to a pod`);
  const anyUid = { spec: { boundObjectRef: { kind: "Pod", apiVersion: "v1", name: "p1" } } };
  assert.equal((await asNode(anyUid)).body.message, `${refused}with a pod binding without a uid`);
});

Deno.test("a page of another site can neither write nor open a WebSocket with the browser's certificate", async () => {
  await using server = await start();
  const configMaps = "/api/v1/namespaces/default/configmaps";
  const post = (headers: Record<string, string>) =>
    server.post(configMaps, { metadata: { generateName: "a-" } }, { headers });
  assert.equal((await post({ "sec-fetch-site": "cross-site", origin: "https://evil.test" })).code, 403);
  assert.equal((await post({ origin: "https://evil.test" })).code, 403);
  assert.equal((await post({ origin: "null" })).code, 403);
  assert.equal((await post({ origin: "https://test", host: "test" })).code, 201);
  assert.equal((await post({ "sec-fetch-site": "same-origin", origin: "http://localhost:8001" })).code, 201);
  const socket = { upgrade: "websocket", origin: "https://evil.test" };
  assert.equal((await server.get(`${pods}/p/exec?command=ls`, { headers: socket })).code, 403);
  assert.equal((await server.get(configMaps, { headers: { origin: "https://evil.test" } })).code, 200);
});
