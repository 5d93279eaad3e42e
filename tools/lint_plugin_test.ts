/// <reference lib="deno.unstable" />
import { deepEqual } from "node:assert/strict";
import plugin from "./lint_plugin.ts";

function found(path: string, source: string): string[] {
  return Deno.lint.runPlugin(plugin, path, source).map(({ id }) => id.replace("house/", ""));
}

Deno.test("no-ambient-effect reports clocks and chance in cores and base, and leaves their pure neighbours alone", () => {
  for (
    const source of ["Date.now()", "new Date()", "Date()", "Math.random()", `Math["random"]()`, "performance.now()"]
  ) {
    for (const path of ["scheduler/core/cycle.ts", "store/raft/step.ts", "api/rules/pod.ts", "base/heap.ts"]) {
      deepEqual(found(path, source), ["no-ambient-effect"], `${path}: ${source}`);
    }
    deepEqual(found("store/replica.ts", source), []);
    deepEqual(found("store/raft/step_test.ts", source), []);
  }
  deepEqual(found("store/raft/step.ts", "new Date(5); Math.floor(2); Date.parse('x'); now.Date.now"), []);
});

Deno.test("no-await-in-core reports every form of waiting in a core", () => {
  const sources = ["await x", "for await (const a of b) {}", "async function f() {}", "const f = async () => {};"];
  for (const source of sources) {
    deepEqual(found("kubelet/core/pod.ts", source), ["no-await-in-core"], source);
    deepEqual(found("kubelet/kubelet.ts", source), [], source);
  }
  deepEqual(found("kubelet/core/pod.ts", "class A { async m() {} }"), ["no-await-in-core"]);
});

Deno.test("no-deno-outside reports Deno as a value and as a type, except in the rooms that may", () => {
  for (const source of ["Deno.open('x')", "globalThis.Deno.pid", "let f: Deno.FsFile;"]) {
    const outside = found("apiserver/serve.ts", `function g() { ${source} }`);
    deepEqual(new Set(outside), new Set(["no-deno-outside"]), source);
    for (const path of ["platform/deno/disk.ts", "cluster/main.ts", "tests/e2e/pod.ts", "store/replica_test.ts"]) {
      deepEqual(found(path, `function g() { ${source} }`), [], path);
    }
  }
});

Deno.test("no-module-state reports a let at the top of a module, not a const nor a let in a function", () => {
  deepEqual(found("client/rest.ts", "let cache = 1;"), ["no-module-state"]);
  deepEqual(found("client/rest.ts", "const table = 1; function f() { let x = 1; }"), []);
});
