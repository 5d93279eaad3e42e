import assert from "node:assert/strict";
import { endProcesses, identify, isAlive, residentBytes } from "./processes.ts";

Deno.test("endProcesses() ends a whole process group, SIGKILLing what ignores SIGTERM", async () => {
  const stubborn = new Deno.Command("sh", {
    args: ["-c", 'trap "" TERM; echo armed; while :; do sleep 1; done'],
    detached: true,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = stubborn.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "armed\n");
  const process = identify(stubborn.pid);
  assert.ok(process !== null && isAlive(process));
  await endProcesses([process], 200);
  assert.ok(!isAlive(process));
  assert.equal((await stubborn.status).signal, "SIGKILL");
  await reader.cancel();
});

Deno.test("isAlive() does not mistake a later holder of a pid for the process that was recorded", () => {
  const self = identify(Deno.pid);
  assert.ok(self !== null && isAlive(self));
  assert.ok(!isAlive({ pid: Deno.pid, startTime: "1" }));
});

Deno.test("residentBytes() is the size of a process, and 0 for none", () => {
  assert.ok(residentBytes(Deno.pid) > 1e6);
  assert.equal(residentBytes(0x7ffffff0), 0);
});
