import assert from "node:assert/strict";
import { type Prng, prng } from "../../base/prng.ts";
import type { User } from "../authn/user.ts";
import type { Attributes } from "./attributes.ts";
import { compactRules, escalationText, missingRules, type PolicyRule, ruleAllows } from "./policy_rule.ts";
import { type Binding, decideRbac, indexBindings, type Policy, rulesFor, type Subject } from "./rbac.ts";

const cases = 10_000;

const groups = ["", "apps", "*"];
const resources = ["pods", "pods/log", "pods/scale", "deployments", "deployments/scale", "*", "*/scale", "*/log"];
const verbs = ["get", "list", "create", "*"];
const names = ["a", "b"];
const urls = ["/healthz", "/healthz/*", "/apis*", "*", "/a"];
const people = ["jane", "joe", "system:serviceaccount:ns1:bot", "system:serviceaccount:ns2:bot"];
const teams = ["dev", "ops", "system:authenticated"];
const spaces = ["ns1", "ns2"];
const roleNames = ["r1", "r2", "r3"];

function some<T>(random: Prng, list: readonly T[], min: number): T[] {
  return Array.from({ length: min + random.int(2) }, () => one(random, list));
}

function one<T>(random: Prng, list: readonly T[]): T {
  return list[random.int(list.length)] as T;
}

function randomRule(random: Prng): PolicyRule {
  const isPath = random.int(5) === 0;
  return {
    verbs: some(random, verbs, 1),
    apiGroups: isPath ? [] : some(random, groups, 1),
    resources: isPath ? [] : some(random, resources, 1),
    resourceNames: isPath || random.int(3) > 0 ? [] : some(random, names, 1),
    nonResourceURLs: isPath ? some(random, urls, 1) : [],
  };
}

function randomSubject(random: Prng): Subject {
  switch (random.int(4)) {
    case 0:
      return { kind: "User", name: one(random, people), namespace: "" };
    case 1:
      return { kind: "Group", name: one(random, teams), namespace: "" };
    case 2:
      return { kind: "ServiceAccount", name: "bot", namespace: one(random, ["", ...spaces]) };
    default:
      return { kind: "Nonsense", name: "jane", namespace: "" };
  }
}

interface World {
  roles: Map<string, PolicyRule[]>;
  clusterRoles: Map<string, PolicyRule[]>;
  bindings: Binding[];
}

function randomWorld(random: Prng): World {
  const rules = () => Array.from({ length: random.int(6) }, () => randomRule(random));
  const clusterRoles = new Map(roleNames.filter(() => random.int(4) > 0).map((name) => [name, rules()]));
  const roles = new Map(
    spaces.flatMap((ns) =>
      roleNames.filter(() => random.int(3) > 0).map((name) => [`${ns}/${name}`, rules()] as const)
    ),
  );
  const bindings = Array.from({ length: random.int(16) }, (_, i): Binding => {
    const namespace = one(random, ["", ...spaces]);
    const kind = namespace === "" ? "ClusterRole" : one(random, ["Role", "ClusterRole"]);
    const subjects = Array.from({ length: random.int(4) }, () => randomSubject(random));
    return { namespace, name: `b${i}`, roleRef: { kind, name: one(random, roleNames) }, subjects };
  });
  return { roles, clusterRoles, bindings };
}

function randomAttributes(random: Prng): Attributes {
  const verb = one(random, ["get", "list", "create", "delete"]);
  if (random.int(4) === 0) {
    return { kind: "path", verb, path: one(random, ["/healthz", "/healthz/x", "/apis", "/apis/apps", "/b", "/a/b"]) };
  }
  return {
    kind: "resource",
    verb,
    group: one(random, ["", "apps"]),
    resource: one(random, ["pods", "deployments"]),
    subresource: one(random, ["", "log", "scale"]),
    namespace: one(random, ["", ...spaces]),
    name: one(random, ["", "a", "b", "c"]),
    fields: {},
  };
}

/** The same question answered with nested loops and regular expressions, without an index. */
function dumbDecision(world: World, user: User, it: Attributes): boolean {
  for (const binding of world.bindings) {
    if (binding.namespace !== "" && (it.kind === "path" || it.namespace !== binding.namespace)) continue;
    const applies = binding.subjects.some((subject) =>
      (subject.kind === "User" && subject.name === user.name) ||
      (subject.kind === "Group" && user.groups.some((group) => group === subject.name)) ||
      (subject.kind === "ServiceAccount" && (subject.namespace || binding.namespace) !== "" &&
        user.name.split(":").join("|") ===
          `system|serviceaccount|${subject.namespace || binding.namespace}|${subject.name}`)
    );
    if (!applies) continue;
    const table = binding.roleRef.kind === "Role" ? world.roles : world.clusterRoles;
    const key = binding.roleRef.kind === "Role" ? `${binding.namespace}/${binding.roleRef.name}` : binding.roleRef.name;
    for (const rule of table.get(key) ?? []) {
      if (!rule.verbs.some((verb) => verb === "*" || verb === it.verb)) continue;
      if (it.kind === "path") {
        const patterns = rule.nonResourceURLs.map((url) => new RegExp(`^${url.replace(/\*$/, ".*")}$`));
        if (patterns.some((pattern) => pattern.test(it.path))) return true;
        continue;
      }
      const full = it.subresource === "" ? it.resource : `${it.resource}/${it.subresource}`;
      const wanted = ["*", full, ...(it.subresource === "" ? [] : [`*/${it.subresource}`])];
      if (
        rule.apiGroups.some((group) => group === "*" || group === it.group) &&
        rule.resources.some((resource) => wanted.includes(resource)) &&
        (rule.resourceNames.length === 0 || rule.resourceNames.includes(it.name))
      ) return true;
    }
  }
  return false;
}

function policyOf(world: World): Policy {
  return {
    roles: world.roles,
    clusterRoles: world.clusterRoles,
    roleBindings: indexBindings(world.bindings.filter((it) => it.namespace !== "")),
    clusterRoleBindings: indexBindings(world.bindings.filter((it) => it.namespace === "")),
  };
}

function randomUser(random: Prng): User {
  return { name: one(random, people), uid: "", groups: some(random, teams, 0) };
}

Deno.test(`decideRbac() agrees with a twin without an index on ${cases} random questions, and rulesFor() with it`, () => {
  const random = prng(20);
  const seen = { allowed: 0, denied: 0 };
  for (let i = 0; i < cases; i++) {
    const world = randomWorld(random);
    const policy = policyOf(world);
    const user = randomUser(random);
    const it = randomAttributes(random);
    const decision = decideRbac(policy, user, it);
    const question = () => JSON.stringify({ bindings: world.bindings, user, it });
    if (decision.allowed !== dumbDecision(world, user, it)) assert.fail(question());
    const namespace = it.kind === "resource" ? it.namespace : "";
    const { rules } = rulesFor(policy, user, namespace);
    if (rules.some((rule) => ruleAllows(rule, it)) !== decision.allowed) assert.fail(question());
    seen[decision.allowed ? "allowed" : "denied"]++;
  }
  assert.ok(seen.allowed > cases / 25 && seen.denied > cases / 25, JSON.stringify(seen));
});

Deno.test("what missingRules() calls covered never lets through a request that the holder could not make", () => {
  const random = prng(21);
  let covered = 0;
  for (let i = 0; i < cases; i++) {
    const held = [randomRule(random), randomRule(random)];
    const wanted = [randomRule(random)];
    if (missingRules(held, wanted).length > 0) continue;
    covered++;
    for (let j = 0; j < 20; j++) {
      const it = randomAttributes(random);
      if (!wanted.some((rule) => ruleAllows(rule, it))) continue;
      assert.ok(held.some((rule) => ruleAllows(rule, it)), JSON.stringify({ held, wanted, it }));
    }
  }
  assert.ok(covered > 500, String(covered));
});

const rule = (more: Partial<PolicyRule>): PolicyRule => ({
  verbs: [],
  apiGroups: [],
  resources: [],
  resourceNames: [],
  nonResourceURLs: [],
  ...more,
});

Deno.test("decideRbac() says in upstream's words which binding allows and which roles are missing", () => {
  const get: Attributes = {
    kind: "resource",
    verb: "get",
    group: "",
    resource: "pods",
    subresource: "",
    namespace: "ns1",
    name: "a",
    fields: {},
  };
  const bot = { kind: "ServiceAccount", name: "bot", namespace: "" };
  const bindings: Binding[] = [
    { namespace: "", name: "lost", roleRef: { kind: "ClusterRole", name: "gone" }, subjects: [teamDev()] },
    { namespace: "ns1", name: "b", roleRef: { kind: "Role", name: "reader" }, subjects: [bot] },
    { namespace: "ns1", name: "c", roleRef: { kind: "Role", name: "nope" }, subjects: [teamDev()] },
  ];
  const world: World = {
    roles: new Map([["ns1/reader", [rule({ verbs: ["get"], apiGroups: [""], resources: ["pods"] })]]]),
    clusterRoles: new Map(),
    bindings,
  };
  const policy = policyOf(world);
  const account = { name: "system:serviceaccount:ns1:bot", uid: "", groups: [] };
  assert.deepEqual(decideRbac(policy, account, get), {
    allowed: true,
    reason: 'RBAC: allowed by RoleBinding "b/ns1" of Role "reader" to ServiceAccount "bot/ns1"',
  });
  const jane = { name: "jane", uid: "", groups: ["dev"] };
  assert.equal(
    decideRbac(policy, jane, { ...get, namespace: "ns2" }).reason,
    'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found',
  );
  assert.equal(
    decideRbac(policy, jane, get).reason,
    'RBAC: [clusterrole.rbac.authorization.k8s.io "gone" not found, ' +
      'role.rbac.authorization.k8s.io "nope" not found]',
  );
});

function teamDev(): Subject {
  return { kind: "Group", name: "dev", namespace: "" };
}

Deno.test("escalationText() lists what is missing as upstream does", () => {
  const wanted = [rule({ verbs: ["list", "get"], apiGroups: [""], resources: ["secrets", "pods"] })];
  const held = [rule({ verbs: ["get"], apiGroups: [""], resources: ["pods"] })];
  assert.equal(
    escalationText("jane", ["dev", "system:authenticated"], missingRules(held, wanted)),
    'user "jane" (groups=["dev" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n' +
      '{APIGroups:[""], Resources:["pods"], Verbs:["list"]}\n' +
      '{APIGroups:[""], Resources:["secrets"], Verbs:["list" "get"]}',
  );
  assert.equal(compactRules(missingRules([], [rule({ verbs: ["get"], nonResourceURLs: ["/a", "/b"] })])).length, 2);
});
