import assert from "node:assert/strict";
import { toLatin1, utf8 } from "../../base/bytes.ts";
import { start, type TestServer } from "../testing.ts";

const whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
const rbac = "/apis/rbac.authorization.k8s.io/v1";
const jane = { commonName: "jane", organizations: ["dev"] };

async function actingAs(server: TestServer, headers: Record<string, string>, as?: typeof jane) {
  const answer = await server.post(whoami, {}, { headers, ...(as === undefined ? {} : { as }) });
  return answer.code === 201 ? answer.body.status.userInfo : answer.body.message;
}

Deno.test("whoami is the credential's user; --as, --as-group, --as-uid and extras make another", async () => {
  await using server = await start();
  assert.deepEqual(await actingAs(server, {}, jane), { username: "jane", groups: ["dev", "system:authenticated"] });
  assert.deepEqual(await actingAs(server, { "Impersonate-User": "bob" }), {
    username: "bob",
    groups: ["system:authenticated"],
  });
  const all = {
    "Impersonate-User": "bob",
    "Impersonate-Group": "a, b",
    "Impersonate-Uid": "7",
    "Impersonate-Extra-Scopes": "x",
    "Impersonate-Extra-Acme.com%2Fproject": "y",
  };
  assert.deepEqual(await actingAs(server, all), {
    username: "bob",
    uid: "7",
    groups: ["a", "b", "system:authenticated"],
    extra: { "acme.com/project": ["y"], scopes: ["x"] },
  });
  assert.deepEqual(await actingAs(server, { "Impersonate-User": "system:serviceaccount:ns:robot" }), {
    username: "system:serviceaccount:ns:robot",
    groups: ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
  });
  const anonymous = { "Impersonate-User": "system:anonymous" };
  assert.equal((await server.get("/api/v1/nodes", { headers: anonymous })).code, 403);
  assert.equal((await server.get("/version", { headers: anonymous })).code, 200);
});

Deno.test("every part of an impersonated identity is a right of its own, refused in upstream's words", async () => {
  await using server = await start();
  await server.post(`${rbac}/clusterroles`, {
    metadata: { name: "as-bob" },
    rules: [{ verbs: ["impersonate"], apiGroups: [""], resources: ["users"], resourceNames: ["bob"] }],
  });
  await server.post(`${rbac}/clusterrolebindings`, {
    metadata: { name: "as-bob" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "as-bob" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: "jane" }],
  });
  const tried = (headers: Record<string, string>) => actingAs(server, headers, jane);
  assert.equal((await tried({ "Impersonate-User": "bob" })).username, "bob");
  assert.equal(
    await tried({ "Impersonate-User": "alice" }),
    'users "alice" is forbidden: User "jane" cannot impersonate resource "users" in API group "" at the cluster scope',
  );
  assert.equal(
    await tried({ "Impersonate-User": "bob", "Impersonate-Group": "x,system:masters" }),
    'groups "x" is forbidden: User "jane" cannot impersonate resource "groups" in API group "" at the cluster scope',
  );
  assert.equal(
    await tried({ "Impersonate-User": "bob", "Impersonate-Uid": "1" }),
    'uids.authentication.k8s.io "1" is forbidden: User "jane" cannot impersonate resource "uids" in API group ' +
      '"authentication.k8s.io" at the cluster scope',
  );
  assert.equal(
    await tried({ "Impersonate-User": "bob", "Impersonate-Extra-Scopes": "x" }),
    'userextras.authentication.k8s.io "x" is forbidden: User "jane" cannot impersonate resource "userextras/scopes" ' +
      'in API group "authentication.k8s.io" at the cluster scope',
  );
  assert.equal(
    await tried({ "Impersonate-User": "system:serviceaccount:ns:robot" }),
    'serviceaccounts "robot" is forbidden: User "jane" cannot impersonate resource "serviceaccounts" in API group "" ' +
      'in the namespace "ns"',
  );
});

Deno.test("impersonation headers without a user, and unknown ones, do nothing but fail", async () => {
  await using server = await start();
  const group = await server.get("/api/v1/nodes", { headers: { "Impersonate-Group": "system:masters" } });
  assert.equal(group.code, 500);
  assert.equal(
    group.body.message,
    "Internal error occurred: requested [{Group  system:masters    }] without impersonating a user",
  );
  const unknown = await server.get("/api/v1/nodes", { headers: { "Impersonate-Users": "x" } });
  assert.equal(unknown.code, 500);
  const stranger = await server.get("/version", { as: null, headers: { "Impersonate-User": "kubernetes-admin" } });
  assert.equal(stranger.code, 403);
});

Deno.test("impersonated names are UTF-8, and keys of extras keep the case of what was percent-encoded", async () => {
  await using server = await start();
  const bytes = (text: string) => toLatin1(utf8(text));
  const wanted = {
    "Impersonate-User": bytes("日本"),
    "Impersonate-Group": `${bytes("équipe à")}, ops`,
    "Impersonate-Extra-%C3%89quipe": bytes("à"),
  };
  assert.deepEqual(await actingAs(server, wanted), {
    username: "日本",
    groups: ["équipe à", "ops", "system:authenticated"],
    extra: { "Équipe": ["à"] },
  });
  assert.equal(await actingAs(server, { "Impersonate-User": "j\xfcrgen" }), "impersonation headers must be UTF-8");
});
