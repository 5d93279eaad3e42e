import assert from "node:assert/strict";
import type { ComponentStatus } from "../control.ts";
import { selectComponent } from "./chaos.ts";

function component(name: string, kind: string, more: Partial<ComponentStatus> = {}): ComponentStatus {
  return {
    name,
    kind,
    node: null,
    pid: 1,
    address: "",
    role: "",
    detail: "",
    ready: true,
    state: "ready",
    restarts: 0,
    readyAfterMs: 1,
    ...more,
  };
}

const all = [
  component("store-0", "store", { role: "follower" }),
  component("store-1", "store", { role: "leader" }),
  component("scheduler-0", "scheduler", { role: "standby" }),
  component("apiserver-0", "apiserver", { pid: null }),
  component("apiserver-1", "apiserver"),
];

Deno.test("selectComponent() finds by name, by kind and leadership, and skips what does not run", () => {
  assert.equal(selectComponent(all, "store-0", false).name, "store-0");
  assert.equal(selectComponent(all, "store", true).name, "store-1");
  assert.equal(selectComponent(all, "apiserver", false).name, "apiserver-1");
});

Deno.test("selectComponent() says what there is when nothing matches, nothing leads or nothing runs", () => {
  assert.throws(() => selectComponent(all, "etcd", false), /No component "etcd"/);
  assert.throws(() => selectComponent(all, "scheduler", true), /No scheduler leads now/);
  assert.throws(() => selectComponent(all, "apiserver-0", false), /not running/);
});
