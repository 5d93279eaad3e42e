import assert from "node:assert/strict";
import { CliError, exitCode } from "../errors.ts";
import type { ComponentPlan } from "../plan.ts";
import { describeLinks, resolveSides, rulesBetween } from "./names.ts";

function plan(name: string, kind: ComponentPlan["kind"]): ComponentPlan {
  return { name, kind, node: null, address: "" };
}

const plans = [
  plan("store-0", "store"),
  plan("store-1", "store"),
  plan("store-2", "store"),
  plan("apiserver-0", "apiserver"),
  plan("scheduler-0", "scheduler"),
];
const cut = { cut: true, delayMs: 0, jitterMs: 0, lossRate: 0 };
const both = { oneWay: false, owner: "user" };

function rules(groups: readonly string[], options = both): string[] {
  return rulesBetween(resolveSides(groups, plans, "store-2"), cut, options).map(({ from, to }) => `${from}>${to}`);
}

Deno.test("resolveSides() takes A|B, A B, kinds, the leader, and one side against everyone else", () => {
  const expected = ["store-0>store-1", "store-1>store-0", "store-0>store-2", "store-2>store-0"];
  assert.deepEqual(rules(["store-0|store-1,store-2"]), expected);
  assert.deepEqual(rules(["store-0", "store-1,store-2"]), expected);
  assert.deepEqual(rules(["leader", "apiserver"]), ["store-2>apiserver-0", "apiserver-0>store-2"]);
  assert.deepEqual(rules(["scheduler-0"]), ["scheduler-0>apiserver-0", "apiserver-0>scheduler-0"]);
  assert.deepEqual(rules(["store-0", "store"]), expected);
  assert.deepEqual(rules(["store-0", "store-1"], { ...both, oneWay: true }), ["store-0>store-1"]);
});

Deno.test("resolveSides() and rulesBetween() refuse what does not exist, is on two sides, or has no link: exit 2", () => {
  const refused = (groups: string[], message: RegExp) =>
    assert.throws(
      () => rules(groups),
      (error) => error instanceof CliError && error.code === exitCode.usage && message.test(error.message),
    );
  refused(["etcd-0", "store-1"], /No component or kind "etcd-0"/);
  refused(["store-0", "store-0,store-1"], /store-0 is on two sides/);
  refused(["scheduler-0", "store"], /scheduler-0 and store-0,store-1,store-2 do not talk to each other/);
  assert.throws(() => resolveSides(["leader"], plans, null), /No store member leads now/);
});

Deno.test("describeLinks() says both directions of a link in one line when they are alike", () => {
  const slow = { cut: false, delayMs: 75, jitterMs: 50, lossRate: 0.5, owner: "user" };
  const links = [
    { ...cut, from: "a", to: "b", owner: "user" },
    { ...cut, from: "b", to: "a", owner: "user" },
    { ...slow, from: "a", to: "c" },
  ];
  assert.deepEqual(describeLinks(links), ["a <-> b cut", "a -> c +75..125 ms, 50 % lost"]);
});
