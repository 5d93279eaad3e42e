import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { KeyValue, Revision } from "../types.ts";
import { History } from "./history.ts";
import type { KeyRecord } from "./key_index.ts";

function version(modRevision: number): KeyValue {
  const bytes = new Uint8Array();
  const revision = modRevision as Revision;
  return { key: bytes, value: bytes, createRevision: revision, modRevision: revision, version: 1, lease: 0n };
}

Deno.test("History: indexOf finds the first entry of a revision, whatever the gaps and however many share one", () => {
  const random = prng(7);
  for (let round = 0; round < 200; round++) {
    const history = new History();
    const revisions: number[] = [];
    let revision = 1 + random.int(50);
    for (let left = random.int(60); left > 0; left--) {
      revision += [0, 1, 1, 1, 1 + random.int(40)][random.int(5)] ?? 0;
      const kv = version(revision);
      const record: KeyRecord = { text: "", latest: kv, older: null };
      history.append({ kv, record });
      revisions.push(revision);
    }
    for (let dropped = random.int(10); dropped > 0 && revisions.length > 0; dropped--) {
      if (history.shiftBefore(revisions[0] as number + 1) !== undefined) revisions.shift();
    }
    for (let wanted = 0; wanted <= revision + 2; wanted++) {
      const found = revisions.findIndex((each) => each >= wanted);
      assert.equal(history.indexOf(wanted), found < 0 ? revisions.length : found, `${wanted} in ${revisions}`);
    }
  }
});
