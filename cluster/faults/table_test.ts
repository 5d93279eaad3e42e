import assert from "node:assert/strict";
import { decodeTable, encodeTable } from "./keeper.ts";
import { asFaultChange, changed, type FaultChange, isEmpty, type LinkFault, noFaults } from "./table.ts";

function link(from: string, to: string, owner: string, more: Partial<LinkFault> = {}): LinkFault {
  return { from, to, owner, cut: true, delayMs: 0, jitterMs: 0, lossRate: 0, ...more };
}

function add(...links: LinkFault[]): FaultChange {
  return { kind: "add", links, disks: [] };
}

Deno.test("changed() replaces a direction's fault, heals an owner's alone or all, and always counts up", () => {
  const one = changed(noFaults, add(link("a", "b", "user"), link("b", "a", "run-1")));
  const two = changed(one, add(link("a", "b", "run-1", { cut: false, delayMs: 5 })));
  assert.deepEqual(two.links.map((each) => `${each.from}${each.to} ${each.owner} ${each.delayMs}`), [
    "ab run-1 5",
    "ba run-1 0",
  ]);
  const disk: FaultChange = { kind: "add", links: [], disks: [{ component: "a", full: true, owner: "user" }] };
  const three = changed(changed(two, disk), { kind: "heal", owner: "run-1" });
  assert.deepEqual([three.links.length, three.disks.length, three.version], [0, 1, 4]);
  const healed = changed(three, { kind: "heal", owner: null });
  assert.ok(isEmpty(healed));
  assert.equal(encodeTable(healed), "");
});

Deno.test("a table survives its file; what is no table or no change is refused or means no faults", () => {
  const table = changed(noFaults, add(link("a", "b", "user")));
  assert.deepEqual(decodeTable(encodeTable(table)), table);
  for (const text of [null, "", "{", '{"version":1,"links":[{}],"disks":[]}']) {
    assert.equal(decodeTable(text), noFaults);
  }
  assert.equal(asFaultChange({ kind: "add", links: [{ ...link("a", "b", "u"), delayMs: -1 }], disks: [] }), null);
  assert.equal(asFaultChange({ kind: "heal" }), null);
});
