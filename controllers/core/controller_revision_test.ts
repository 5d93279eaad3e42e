import assert from "node:assert/strict";
import type { ControllerRevision } from "../../api/gen/types.ts";
import { selectorFromLabels } from "../../api/labels.ts";
import { controllerRevisions, daemonSets } from "../../api/resources.ts";
import {
  claimRevisions,
  historyOf,
  type RevisionedOwner,
  templatePatch,
  truncateHistory,
} from "./controller_revision.ts";

const hashLabel = "controller-revision-hash";
const template = (image: string) => ({
  metadata: { labels: { app: "log" } },
  spec: { containers: [{ name: "c", image }] },
});
const object = {
  metadata: { name: "log", namespace: "d", uid: "ds", annotations: { "kubernetes.io/change-cause": "why" } },
};

function owner(image: string, more: Partial<RevisionedOwner> = {}): RevisionedOwner {
  const data = templatePatch(template(image));
  return { info: daemonSets, object, data, labels: { app: "log" }, hashLabel, collisionCount: undefined, ...more };
}

function revision(name: string, image: string, number: number): ControllerRevision {
  return {
    metadata: {
      name,
      namespace: "d",
      labels: { app: "log", [hashLabel]: name },
      ownerReferences: [{ apiVersion: "apps/v1", kind: "DaemonSet", name: "log", uid: "ds", controller: true }],
    },
    data: templatePatch(template(image)),
    revision: number,
  };
}
const names = (revisions: readonly Readonly<ControllerRevision>[]) => revisions.map((each) => each.metadata?.name);
const nobody = () => undefined;

Deno.test("historyOf() makes the first revision, named by the hash of what it holds", () => {
  const { current, actions, olds, collisionCount } = historyOf(owner("a"), [], nobody);
  const hash = current.metadata?.labels?.[hashLabel] ?? "";
  assert.match(hash, /^[b-z2-9]+$/);
  assert.equal(current.metadata?.name, `log-${hash}`);
  assert.deepEqual(current.metadata?.annotations, object.metadata.annotations);
  assert.equal(current.metadata?.ownerReferences?.[0]?.uid, "ds");
  assert.equal(current.revision, 1);
  assert.deepEqual(current.data, { spec: { template: { ...template("a"), $patch: "replace" } } });
  assert.deepEqual(actions, [{ kind: "create", info: controllerRevisions, object: current }]);
  assert.deepEqual(olds, []);
  assert.equal(collisionCount, undefined);
});

Deno.test("historyOf() leaves a present revision alone that has the newest number", () => {
  const history = historyOf(owner("b"), [revision("y", "b", 2), revision("x", "a", 1)], nobody);
  assert.equal(history.current.metadata?.name, "y");
  assert.deepEqual(names(history.olds), ["x"]);
  assert.deepEqual(history.actions, []);
});

Deno.test("historyOf() gives a template that comes back the newest number, not a second revision", () => {
  const old = revision("x", "a", 1);
  const { current, actions } = historyOf(owner("a"), [old, revision("y", "b", 2), revision("z", "c", 4)], nobody);
  assert.equal(current.revision, 5);
  assert.deepEqual(actions, [{ kind: "patch", info: controllerRevisions, object: old, patch: { revision: 5 } }]);
});

Deno.test("historyOf() passes over a name that another revision has, and counts the collision", () => {
  const first = historyOf(owner("a"), [], nobody).current.metadata?.name;
  const taken = (name: string) => name === first ? revision(name, "other", 1) : undefined;
  const { current, collisionCount } = historyOf(owner("a"), [], taken);
  assert.equal(collisionCount, 1);
  assert.notEqual(current.metadata?.name, first);
  const again = historyOf(owner("a", { collisionCount: 1 }), [current], nobody);
  assert.deepEqual(again.actions, [], "found again by what it holds");
});

Deno.test("historyOf() keeps the newest of equal revisions and tells of the others; a missing hash is the name", () => {
  const bare = revision("y", "a", 3);
  bare.metadata = { ...bare.metadata, labels: { app: "log" } };
  const { current, duplicates, actions } = historyOf(owner("a"), [revision("x", "a", 1), bare], nobody);
  assert.deepEqual([current.metadata?.name, current.metadata?.labels?.[hashLabel]], ["y", "y"]);
  assert.deepEqual(names(duplicates), ["x"]);
  assert.deepEqual(actions.map((each) => each.kind === "patch" && each.patch), [
    { metadata: { labels: { [hashLabel]: "y" } } },
  ]);
});

Deno.test("truncateHistory() deletes the oldest beyond the limit, and passes over those in use", () => {
  const olds = [1, 2, 3, 4].map((number) => revision(`r${number}`, `i${number}`, number));
  const doomed = (limit: number, ...used: string[]) =>
    truncateHistory(olds, limit, ({ metadata }) => used.includes(metadata?.name ?? ""))
      .flatMap((each) => each.kind === "delete" ? names(each.objects as ControllerRevision[]) : []);
  assert.deepEqual(doomed(4), []);
  assert.deepEqual(doomed(2), ["r1", "r2"]);
  assert.deepEqual(doomed(2, "r1"), ["r2", "r3"]);
  assert.deepEqual(doomed(0, "r1", "r2", "r3", "r4"), []);
});

Deno.test("claimRevisions() adopts matching orphans and orders by number", () => {
  const orphan = revision("orphan", "a", 1);
  orphan.metadata = { ...orphan.metadata, ownerReferences: [] };
  const { owned, actions } = claimRevisions(
    { info: daemonSets, object },
    selectorFromLabels({ app: "log" }),
    [revision("y", "b", 2), orphan],
  );
  assert.deepEqual(names(owned), ["orphan", "y"]);
  assert.deepEqual(actions.map((each) => each.kind === "patch" && each.object.metadata?.name), ["orphan"]);
});
