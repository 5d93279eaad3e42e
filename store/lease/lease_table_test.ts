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

Deno.test("LeaseTable.dueCheckpoints() tells what is left of long leases that nobody renews, once an interval", () => {
  const table = new LeaseTable();
  for (const [id, ttlSeconds] of [[1n, 1000], [2n, 300], [3n, 1000]] as const) {
    table.grant(id, ttlSeconds);
    table.start(id, 0);
  }
  assert.deepEqual(table.dueCheckpoints(299_999, 300_000, 10), []);
  table.renew(3n, 200_000);
  assert.deepEqual(table.dueCheckpoints(300_500, 300_000, 10), [{ id: 1n, remainingSeconds: 700 }]);
  assert.deepEqual(table.dueCheckpoints(301_000, 300_000, 10), []);
  const due = table.dueCheckpoints(600_500, 300_000, 10);
  assert.deepEqual(due, [{ id: 1n, remainingSeconds: 400 }, { id: 3n, remainingSeconds: 600 }]);
  assert.deepEqual(table.dueCheckpoints(600_500, 300_000, 10), []);
  // 100 s are left after the next: shorter than an interval, and left alone from then on.
  assert.deepEqual(table.dueCheckpoints(900_600, 300_000, 1), [{ id: 1n, remainingSeconds: 100 }]);
});

Deno.test("LeaseTable.promote() starts from the checkpoint where there is one, and from the whole TTL again once it is 0", () => {
  const table = new LeaseTable();
  table.grant(1n, 100);
  table.grant(2n, 100);
  table.checkpoint({ id: 1n, remainingSeconds: 40 });
  table.checkpoint({ id: 9n, remainingSeconds: 40 });
  assert.deepEqual([1n, 2n, 9n].map((id) => table.checkpointSeconds(id)), [40, 0, 0]);
  table.promote(0, 500);
  assert.deepEqual([table.remainingMs(1n, 0), table.remainingMs(2n, 0)], [40_500, 100_500]);
  table.checkpoint({ id: 1n, remainingSeconds: 0 });
  table.promote(0, 0);
  assert.equal(table.remainingMs(1n, 0), 100_000);
});
