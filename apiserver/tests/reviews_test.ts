import assert from "node:assert/strict";
import { type CallOptions, start, type TestServer } from "../testing.ts";

const authorization = "/apis/authorization.k8s.io/v1";
const tokenReviews = "/apis/authentication.k8s.io/v1/tokenreviews";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const jane = { commonName: "jane", organizations: ["dev"] };
const pods = { namespace: "default", verb: "get", resource: "pods" };

async function grantPods(server: TestServer): Promise<void> {
  await server.post(`${rbac}/namespaces/default/roles`, {
    metadata: { name: "reader" },
    rules: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }],
  });
  await server.post(`${rbac}/namespaces/default/rolebindings`, {
    metadata: { name: "jane-reads" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reader" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  });
}

function canI(server: TestServer, spec: unknown, call: CallOptions = { as: jane }) {
  return server.post(`${authorization}/selfsubjectaccessreviews`, { spec }, call);
}

Deno.test("SelfSubjectAccessReview answers as the request itself would be", async () => {
  await using server = await start();
  await grantPods(server);
  const yes = await canI(server, { resourceAttributes: pods });
  assert.equal(yes.code, 201);
  assert.deepEqual(yes.body, {
    kind: "SelfSubjectAccessReview",
    apiVersion: "authorization.k8s.io/v1",
    metadata: {},
    spec: { resourceAttributes: pods },
    status: {
      allowed: true,
      reason: 'RBAC: allowed by RoleBinding "jane-reads/default" of Role "reader" to User "jane"',
    },
  });
  const denied = await canI(server, { resourceAttributes: { ...pods, verb: "delete" } });
  assert.deepEqual(denied.body.status, { allowed: false });
  const path = await canI(server, { nonResourceAttributes: { path: "/apis", verb: "get" } });
  assert.equal(path.body.status.allowed, true);
  const neither = await canI(server, {});
  assert.equal(
    neither.body.message,
    'SelfSubjectAccessReview.authorization.k8s.io "" is invalid: spec.resourceAttributes: Invalid value: "null": exactly ' +
      "one of nonResourceAttributes or resourceAttributes must be specified",
  );
  const table = { accept: "application/json;as=Table;v=v1;g=meta.k8s.io" };
  assert.equal((await canI(server, { resourceAttributes: pods }, { as: jane, headers: table })).code, 406);
});

Deno.test("SubjectAccessReview is asked about others, by who may; the local one for its own namespace only", async () => {
  await using server = await start();
  await grantPods(server);
  const ask = (path: string, spec: unknown, call: CallOptions = {}) =>
    server.post(`${authorization}/${path}`, { spec }, call);
  const about = { user: "jane", resourceAttributes: pods };
  assert.equal((await ask("subjectaccessreviews", about)).body.status.allowed, true);
  assert.equal((await ask("subjectaccessreviews", { ...about, user: "bob" })).body.status.allowed, false);
  assert.equal((await ask("subjectaccessreviews", about, { as: jane })).code, 403);
  const kubelet = {
    user: "system:node:n1",
    groups: ["system:nodes"],
    resourceAttributes: { verb: "list", resource: "pods", fieldSelector: { rawSelector: "spec.nodeName=n1" } },
  };
  assert.equal((await ask("subjectaccessreviews", kubelet)).body.status.allowed, true);
  const nobody = await ask("subjectaccessreviews", { resourceAttributes: pods });
  assert.match(nobody.body.message, /spec\.user: Invalid value: "": at least one of user or group must be specified$/);
  const local = "namespaces/default/localsubjectaccessreviews";
  assert.equal((await ask(local, about)).body.status.allowed, true);
  const elsewhere = await ask(local, { ...about, resourceAttributes: { ...pods, namespace: "other" } });
  assert.match(
    elsewhere.body.message,
    /spec\.resourceAttributes\.namespace: Invalid value: "other": must match metadata\.namespace$/,
  );
});

Deno.test("SelfSubjectRulesReview lists what roles grant in a namespace", async () => {
  await using server = await start();
  await grantPods(server);
  const ask = (namespace: string) =>
    server.post(`${authorization}/selfsubjectrulesreviews`, { spec: { namespace } }, { as: jane });
  const { status } = (await ask("default")).body;
  assert.equal(status.incomplete, false);
  assert.deepEqual(status.resourceRules.at(-1), { verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] });
  assert.ok(JSON.stringify(status.nonResourceRules).includes("/openapi/*"));
  assert.ok(!JSON.stringify((await ask("kube-system")).body.status.resourceRules).includes("pods"));
  assert.equal((await ask("")).body.message, "no namespace on request");
});

Deno.test("TokenReview proves a token for its audiences, as long as the account and pod exist", async () => {
  await using server = await start();
  const accounts = "/api/v1/namespaces/default/serviceaccounts";
  await server.post(accounts, { metadata: { name: "robot" } });
  const token = async (audiences?: string[]) =>
    (await server.post(`${accounts}/robot/token`, { spec: { audiences } })).body.status.token as string;
  const review = async (spec: unknown) => (await server.post(tokenReviews, { spec })).body.status;
  const own = await token();
  const proven = await review({ token: own });
  assert.equal(proven.authenticated, true);
  assert.equal(proven.user.username, "system:serviceaccount:default:robot");
  assert.match(proven.user.extra["authentication.kubernetes.io/credential-id"][0], /^JTI=[0-9a-f-]{36}$/);
  assert.deepEqual(proven.audiences, ["https://kubernetes.default.svc.cluster.local"]);
  const vault = await token(["vault", "other"]);
  assert.deepEqual((await review({ token: vault, audiences: ["x", "vault"] })).audiences, ["vault"]);
  assert.deepEqual(await review({ token: vault }), { user: {}, error: "invalid bearer token" });
  assert.deepEqual(await review({ token: "x" }), { user: {}, error: "invalid bearer token" });
  await server.delete(`${accounts}/robot`);
  assert.equal((await review({ token: own })).error, "service account token has been invalidated");
  assert.equal((await server.post(tokenReviews, { spec: { token: "" } })).code, 400);
});

Deno.test("reviews are in discovery with create alone; other methods are 405", async () => {
  await using server = await start();
  const { resources } = (await server.get(authorization)).body;
  const found = resources.find((it: { name: string }) => it.name === "selfsubjectaccessreviews");
  assert.deepEqual(found.verbs, ["create"]);
  assert.equal((await server.get(`${authorization}/selfsubjectaccessreviews`)).code, 405);
  assert.equal((await server.get("/openapi/v3/apis/authorization.k8s.io/v1")).code, 200);
  assert.ok((await server.get("/openapi/v2")).body.paths["/apis/authentication.k8s.io/v1/tokenreviews"].post);
});
