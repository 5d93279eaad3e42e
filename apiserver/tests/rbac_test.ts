import assert from "node:assert/strict";
import { createLocalStore } from "../../store/mod.ts";
import { type Loose, start, testRandom, VirtualTime } from "../testing.ts";

const rbac = "/apis/rbac.authorization.k8s.io/v1";
const jane = { commonName: "jane", organizations: ["dev"] };
const pods = "/api/v1/namespaces/default/pods";

Deno.test("a RoleBinding grants in its namespace, at once, and its deletion takes the right away", async () => {
  await using server = await start();
  await server.post(`${rbac}/namespaces/default/roles`, {
    metadata: { name: "reader" },
    rules: [{ verbs: ["get", "list"], apiGroups: [""], resources: ["pods"] }],
  });
  assert.equal((await server.get(pods, { as: jane })).code, 403);
  const made = await server.post(`${rbac}/namespaces/default/rolebindings`, {
    metadata: { name: "jane-reads" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: "reader" },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: "dev" }],
  });
  assert.equal(made.code, 201, JSON.stringify(made.body));
  assert.equal((await server.get(pods, { as: jane })).code, 200);
  assert.equal((await server.get("/api/v1/namespaces/kube-system/pods", { as: jane })).code, 403);
  assert.equal((await server.get(`${pods}?watch=1`, { as: jane })).code, 403);
  await server.delete(`${rbac}/namespaces/default/roles/reader`);
  const dangling = await server.get(pods, { as: jane });
  assert.equal(
    dangling.body.message,
    'pods is forbidden: User "jane" cannot list resource "pods" in API group "" in the namespace "default": ' +
      'RBAC: role.rbac.authorization.k8s.io "reader" not found',
  );
  await server.delete(`${rbac}/namespaces/default/rolebindings/jane-reads`);
  assert.equal((await server.get(pods, { as: jane })).code, 403);
});

Deno.test("the default roles and bindings are there after the first start, with upstream's label and annotation", async () => {
  await using server = await start();
  const role = await server.get(`${rbac}/clusterroles/system:kube-scheduler`);
  assert.equal(role.body.metadata.labels["kubernetes.io/bootstrapping"], "rbac-defaults");
  assert.equal(role.body.metadata.annotations["rbac.authorization.kubernetes.io/autoupdate"], "true");
  assert.deepEqual(role.body.rules[0], {
    apiGroups: ["", "events.k8s.io"],
    resources: ["events"],
    verbs: ["create", "patch", "update"],
  });
  const bindings = (await server.get(`${rbac}/clusterrolebindings`)).body.items as Loose[];
  const scheduler = bindings.find((it) => it.metadata.name === "system:kube-scheduler");
  assert.deepEqual(scheduler.subjects, [
    { kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "system:kube-scheduler" },
  ]);
  const names = (await server.get(`${rbac}/namespaces/kube-system/roles`)).body.items.map((it: Loose) =>
    it.metadata.name
  );
  assert.ok(names.includes("system::leader-locking-kube-scheduler"));
});

Deno.test("a start repairs default roles, adding what lacks and keeping what was added; autoupdate=false is left alone", async () => {
  await using first = await start();
  const discovery = `${rbac}/clusterroles/system:discovery`;
  const basic = `${rbac}/clusterroles/system:basic-user`;
  const binding = `${rbac}/clusterrolebindings/system:basic-user`;
  const extra = { verbs: ["get"], nonResourceURLs: ["/extra"] };
  assert.equal((await first.patch(discovery, { rules: [extra] })).code, 200);
  const off = { metadata: { annotations: { "rbac.authorization.kubernetes.io/autoupdate": "false" } }, rules: [extra] };
  assert.equal((await first.patch(basic, off)).code, 200);
  assert.equal((await first.patch(binding, { subjects: null })).code, 200);
  const before = (await first.get(`${rbac}/clusterroles/view`)).body.metadata;

  await using second = await start({ store: first.store, time: first.time, seed: 2 });
  const repaired = (await second.get(discovery)).body.rules;
  assert.deepEqual(repaired[0], extra);
  assert.ok(JSON.stringify(repaired).includes("/openapi/*"));
  assert.deepEqual((await second.get(basic)).body.rules, [extra]);
  assert.equal((await second.get(binding)).body.subjects[0].name, "system:authenticated");
  assert.deepEqual((await second.get(`${rbac}/clusterroles/view`)).body.metadata, before, "nothing else was written");
});

Deno.test("three servers that start at once on an empty store write each default object once", async () => {
  const time = new VirtualTime();
  const store = createLocalStore({ clock: time, timers: time, random: testRandom(7) });
  const servers = await Promise.all([1, 2, 3].map((seed) => start({ store, time, seed })));
  const lists: string[][] = [];
  for (const server of servers) {
    const { items } = (await server.get(`${rbac}/clusterroles`)).body;
    lists.push(items.map((it: Loose) => `${it.metadata.name} ${it.metadata.uid} ${it.metadata.resourceVersion}`));
  }
  assert.ok((lists[0]?.length ?? 0) > 20);
  assert.deepEqual(lists[1], lists[0]);
  assert.deepEqual(lists[2], lists[0]);
  for (const server of servers) await server[Symbol.asyncDispose]();
  store.close();
});

Deno.test("nobody grants more than they hold, without escalate or bind; the refusal names what lacks", async () => {
  await using server = await start();
  const roles = `${rbac}/namespaces/default/roles`;
  const bindings = `${rbac}/namespaces/default/rolebindings`;
  const rule = (verbs: string[], resources: string[], apiGroups = [""]) => ({ verbs, apiGroups, resources });
  const bindTo = (name: string, kind: string, role: string, user: string) => ({
    metadata: { name },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind, name: role },
    subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "User", name: user }],
  });
  const rbacGroup = ["rbac.authorization.k8s.io"];
  await server.post(roles, {
    metadata: { name: "access" },
    rules: [rule(["*"], ["roles", "rolebindings"], rbacGroup), rule(["get", "list"], ["pods"])],
  });
  await server.post(bindings, bindTo("access", "Role", "access", "jane"));

  const role = (name: string, verbs: string[]) => ({ metadata: { name }, rules: [rule(verbs, ["pods"])] });
  assert.equal((await server.post(roles, role("same", ["get"]), { as: jane })).code, 201);
  // `*` on roles holds `escalate` too: take that away first.
  await server.put(`${roles}/access`, {
    metadata: { name: "access" },
    rules: [
      rule(["get", "create", "update", "patch"], ["roles", "rolebindings"], rbacGroup),
      rule(["get", "list"], ["pods"]),
    ],
  });
  const more = await server.post(roles, role("more", ["get", "delete", "watch"]), { as: jane });
  assert.equal(more.code, 403);
  assert.equal(
    more.body.message,
    'roles.rbac.authorization.k8s.io "more" is forbidden: user "jane" (groups=["dev" "system:authenticated"]) is ' +
      "attempting to grant RBAC permissions not currently held:\n" +
      '{APIGroups:[""], Resources:["pods"], Verbs:["delete" "watch"]}',
  );
  assert.equal((await server.patch(`${roles}/same`, role("same", ["get", "delete"]), { as: jane })).code, 403);
  assert.equal((await server.patch(`${roles}/same`, { metadata: { labels: { a: "b" } } }, { as: jane })).code, 200);
  const admin = await server.post(bindings, bindTo("up", "ClusterRole", "cluster-admin", "jane"), { as: jane });
  assert.equal(admin.code, 403);
  assert.match(admin.body.message, /\n\{APIGroups:\["\*"\], Resources:\["\*"\], Verbs:\["\*"\]\}\n\{NonResourceURLs/);
  assert.equal((await server.post(bindings, bindTo("ok", "Role", "same", "bob"), { as: jane })).code, 201);
  const missing = await server.post(bindings, bindTo("nope", "Role", "nope", "bob"), { as: jane });
  assert.equal(missing.body.message, 'role.rbac.authorization.k8s.io "nope" not found');

  await server.post(roles, {
    metadata: { name: "binder" },
    rules: [{ ...rule(["bind"], ["clusterroles"], rbacGroup), resourceNames: ["view"] }],
  });
  await server.post(bindings, bindTo("binder", "Role", "binder", "jane"));
  assert.equal((await server.post(bindings, bindTo("view", "ClusterRole", "view", "bob"), { as: jane })).code, 201);
});
