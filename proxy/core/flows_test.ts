import assert from "node:assert/strict";
import { type Flow, FlowTable } from "./flows.ts";

function flow(key: string, ip = "127.9.1.1"): Flow {
  return { key, binding: "127.9.240.5:53", endpoint: { ip, port: 53, node: "" } };
}

function keys(flows: readonly Flow[]): string[] {
  return flows.map((each) => each.key);
}

Deno.test("FlowTable evicts the flow that was used least recently, and only beyond its bound", () => {
  const table = new FlowTable<Flow>(2, 1000);
  assert.equal(table.add(flow("a"), 0), null);
  assert.equal(table.add(flow("b"), 1), null);
  assert.equal(table.use("a", 2)?.key, "a");
  assert.equal(table.add(flow("c"), 3)?.key, "b");
  assert.equal(table.use("b", 4), null);
  assert.equal(table.size, 2);
});

Deno.test("FlowTable.expire() takes what has been idle for the whole time, not what was used since", () => {
  const table = new FlowTable<Flow>(10, 1000);
  for (const [i, key] of ["a", "b", "c"].entries()) table.add(flow(key), i * 100);
  table.use("a", 500);
  assert.deepEqual(keys(table.expire(1099)), []);
  assert.deepEqual(keys(table.expire(1100)), ["b"]);
  assert.deepEqual(keys(table.expire(1500)), ["c", "a"]);
  assert.equal(table.size, 0);
});

Deno.test("FlowTable.retain() takes out the flows of endpoints that have gone", () => {
  const table = new FlowTable<Flow>(10, 1000);
  table.add(flow("a", "127.9.1.1"), 0);
  table.add(flow("b", "127.9.1.2"), 0);
  assert.deepEqual(keys(table.retain(({ endpoint }) => endpoint.ip === "127.9.1.2")), ["a"]);
  assert.equal(table.use("a", 1), null);
  assert.equal(table.use("b", 1)?.key, "b");
});
