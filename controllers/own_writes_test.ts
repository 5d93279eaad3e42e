import assert from "node:assert/strict";
import type { KubeObject } from "../api/meta.ts";
import type { Informer } from "../client/mod.ts";
import * as limits from "./limits.ts";
import { OwnWrites } from "./own_writes.ts";

function fakeInformer() {
  const state = { resourceVersion: "1", objects: new Map<string, KubeObject>() };
  const informer: Informer<KubeObject> = {
    start: () => {},
    stop: () => {},
    synced: Promise.resolve(),
    hasSynced: true,
    get: (key) => state.objects.get(key),
    list: () => [],
    byIndex: () => [],
    subscribe: () => {},
    pace: () => {},
    caughtUp: () => Promise.resolve(),
    get resourceVersion() {
      return state.resourceVersion;
    },
  };
  return { state, informer };
}

Deno.test("OwnWrites holds a key until the informer has reached its latest write, whatever order answers came in", () => {
  const { state, informer } = fakeInformer();
  const writes = new OwnWrites();
  assert.equal(writes.isSeen("k", 0), true);
  writes.wrote("k", informer, "9", 0);
  writes.wrote("k", informer, "7", 0);
  state.resourceVersion = "8";
  assert.equal(writes.isSeen("k", 1), false);
  assert.equal(writes.isSeen("other", 1), true);
  state.resourceVersion = "10";
  assert.equal(writes.isSeen("k", 1), true);
});

Deno.test("OwnWrites holds a key until a deleted uid is gone, replaced, or shows its deletionTimestamp", () => {
  for (const after of [undefined, { uid: "new" }, { uid: "old", deletionTimestamp: "x" }]) {
    const { state, informer } = fakeInformer();
    const writes = new OwnWrites();
    state.objects.set("d/p", { metadata: { uid: "old" } });
    writes.deleted("k", informer, { key: "d/p", uid: "old" }, 0);
    assert.equal(writes.isSeen("k", 1), false);
    if (after === undefined) state.objects.delete("d/p");
    else state.objects.set("d/p", { metadata: after });
    assert.equal(writes.isSeen("k", 1), true, JSON.stringify(after));
  }
});

Deno.test("OwnWrites gives up waiting after its time limit", () => {
  const { informer } = fakeInformer();
  const writes = new OwnWrites();
  writes.wrote("k", informer, "99", 1000);
  assert.equal(writes.isSeen("k", 1000 + limits.ownWriteTimeoutMs - 1), false);
  assert.equal(writes.isSeen("k", 1000 + limits.ownWriteTimeoutMs), true);
});
