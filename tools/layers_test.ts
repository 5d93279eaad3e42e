import { deepEqual, equal, match, ok } from "node:assert/strict";
import { checkCores } from "./check_cores.ts";
import { edgesOf, readGraph, violations } from "./layers.ts";
import { violation } from "./rooms.ts";

/** A repository of these files; removed afterwards. */
async function withRepository(files: Record<string, string>, use: (root: string) => Promise<void>): Promise<void> {
  const root = await Deno.realPath(await Deno.makeTempDir({ prefix: "layers-" }));
  try {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(`${root}/${path}`.replace(/\/[^/]*$/, ""), { recursive: true });
      await Deno.writeTextFile(`${root}/${path}`, text);
    }
    await use(root);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
}

Deno.test("layers reports file, import and rule of each forbidden edge of a repository, and nothing else", async () => {
  const files = {
    "base/heap.ts": "export const heap = 1;",
    "api/meta.ts": `import "../base/heap.ts"; export interface Meta { name: string }`,
    "store/mod.ts": `export const store = 1;`,
    "store/raft/step.ts":
      `import "../../base/heap.ts"; import type { Meta } from "../../api/meta.ts"; export type M = Meta;`,
    "store/raft/step_test.ts": `import "node:assert/strict"; import "./step.ts";`,
    "scheduler/mod.ts": `await import("../store/mod.ts"); import "../api/meta.ts";`,
    "apiserver/mod.ts": `import "../store/mod.ts"; import "node:fs";`,
    "cluster/main.ts": `import "../scheduler/mod.ts"; import "../apiserver/mod.ts"; import "node:fs";`,
  };
  await withRepository(files, async (root) => {
    const found = violations(edgesOf(await readGraph(root), root));
    deepEqual(found.map(({ from, to }) => `${from} -> ${to}`).sort(), [
      "apiserver/mod.ts -> node:fs",
      "scheduler/mod.ts -> store/mod.ts",
      "store/raft/step.ts -> api/meta.ts",
    ]);
    match(found.find(({ from }) => from === "store/raft/step.ts")?.rule ?? "", /store core/);
  });
});

Deno.test("violation() follows the table of who may import whom", () => {
  const allowed: [string, string][] = [
    ["store/mvcc/index.ts", "base/bytes.ts"],
    ["store/mvcc/index.ts", "store/types.ts"],
    ["scheduler/core/cycle.ts", "api/meta.ts"],
    ["scheduler/hot/pack.ts", "asm/mod.ts"],
    ["apiserver/registry/create.ts", "store/types.ts"],
    ["cluster/entry/store.ts", "platform/deno/mod.ts"],
    ["store/replica_test.ts", "platform/sim/mod.ts"],
    ["tests/sim/run.ts", "store/wal/segment.ts"],
    ["api/codec/yaml.ts", "npm:yaml@2.9.1"],
    ["store/wire.ts", "npm:@msgpack/msgpack@3.1.3"],
    ["kubelet/core/pod_test.ts", "node:assert/strict"],
  ];
  for (const [from, to] of allowed) equal(violation({ from, to }), null, `${from} -> ${to}`);
  const forbidden: [string, string][] = [
    ["base/heap.ts", "api/meta.ts"],
    ["api/rules/pod.ts", "platform/mod.ts"],
    ["store/raft/step.ts", "platform/mod.ts"],
    ["store/raft/step.ts", "store/replica.ts"],
    ["store/replica.ts", "platform/deno/mod.ts"],
    ["store/replica.ts", "platform/sim/mod.ts"],
    ["apiserver/registry/create.ts", "store/mvcc/index.ts"],
    ["client/rest.ts", "apiserver/mod.ts"],
    ["kubelet/kubelet.ts", "proxy/mod.ts"],
    ["scheduler/core/cycle.ts", "asm/mod.ts"],
    ["controllers/core/job.ts", "client/mod.ts"],
    ["cluster/main.ts", "scheduler/core/cycle.ts"],
    ["client/rest.ts", "tests/fixtures.ts"],
    ["client/rest.ts", "client/testing.ts"],
    ["store/replica.ts", "npm:@msgpack/msgpack@3.1.3"],
    ["kubelet/kubelet.ts", "npm:yaml@2.9.1"],
    ["tools/x.ts", "jsr:@std/assert"],
    ["garage/mod.ts", "base/heap.ts"],
  ];
  for (const [from, to] of forbidden) ok(violation({ from, to }) !== null, `${from} -> ${to}`);
});

Deno.test("checkCores() fails on an ambient effect in a core and passes pure code", async () => {
  const files = {
    "good/core/a.ts": "export const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);",
    "bad/core/a.ts": "export const later = (): number => setTimeout(() => {}, 1);",
    "bad/core/b.ts": "export const pid = (): number => Deno.pid;",
  };
  await withRepository(files, async (root) => {
    equal((await checkCores(root, ["good/core/a.ts"])).ok, true);
    const bad = await checkCores(root, ["bad/core/a.ts", "bad/core/b.ts"]);
    equal(bad.ok, false);
    match(bad.output, /setTimeout/);
    match(bad.output, /Deno/);
  });
});
