import assert from "node:assert/strict";
import { LeaseTable } from "./lease_table.ts";

Deno.test("LeaseTable expires nothing until promoted, then after TTL plus extension, earliest first", () => {
  const table = new LeaseTable();
  table.grant(1n, 10);
  table.grant(2n, 5);
  assert.deepEqual(table.expire(1e9, 10), []);
  table.promote(1_000, 300);
  assert.deepEqual(table.expire(6_299, 10), []);
  assert.deepEqual(table.expire(6_300, 10), [2n]);
  assert.deepEqual(table.expire(20_000, 1), [2n]);
  assert.deepEqual(table.expire(20_000, 10), [2n, 1n]);
});

Deno.test("LeaseTable.renew() moves the end, but not once the end was proposed", () => {
  const table = new LeaseTable();
  table.grant(1n, 10);
  table.start(1n, 0);
  assert.equal(table.renew(1n, 9_000), 10);
  assert.deepEqual(table.expire(18_999, 10), []);
  assert.deepEqual(table.expire(19_000, 10), [1n]);
  assert.equal(table.renew(1n, 19_001), undefined);
  assert.equal(table.renew(5n, 0), undefined);
});

Deno.test("LeaseTable gives every lease its whole TTL again when the leader changes, even one about to end", () => {
  const table = new LeaseTable();
  table.grant(1n, 10);
  table.promote(0, 0);
  assert.deepEqual(table.expire(10_000, 10), [1n]);
  table.demote();
  assert.deepEqual(table.expire(1e9, 10), []);
  table.promote(10_000, 500);
  assert.equal(table.renew(1n, 10_100), 10);
  assert.deepEqual(table.expire(20_099, 10), []);
  assert.deepEqual(table.expire(20_100, 10), [1n]);
});

Deno.test("LeaseTable.attach() moves a key to its newest lease only", () => {
  const table = new LeaseTable();
  table.grant(1n, 10);
  table.grant(2n, 10);
  table.attach("b", 1n);
  table.attach("a", 1n);
  assert.deepEqual(table.keys(1n), ["a", "b"]);
  table.attach("a", 2n);
  table.attach("b", 0n);
  assert.deepEqual([table.keys(1n), table.keys(2n)], [[], ["a"]]);
  table.revoke(2n);
  table.attach("a", 1n);
  assert.deepEqual(table.keys(1n), ["a"]);
});
