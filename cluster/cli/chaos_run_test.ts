import assert from "node:assert/strict";
import { CliError, exitCode } from "../errors.ts";
import type { ClusterSpec } from "../spec.ts";
import { checkMadeFor } from "./chaos_run.ts";

const spec: ClusterSpec = {
  version: 1,
  name: "one",
  clusterId: "c",
  controlPlanes: 3,
  workers: 0,
  runtime: "hollow",
  hollowNodes: 1,
  timers: "fast",
  slice: 64,
  port: 6443,
};

Deno.test("chaos run refuses to break the members of a cluster whose store is a real etcd", () => {
  const external: ClusterSpec = { ...spec, store: { endpoints: ["tcp:a:1"], tls: false, clientCertificate: false } };
  const refused = (error: unknown) =>
    error instanceof CliError && error.code === exitCode.usage && /has no store members to break/.test(error.message);
  for (const scenario of ["leader-kill", "pause-leader", "partition-leader"]) {
    for (const on of ["api", "store"] as const) {
      assert.throws(() => checkMadeFor(external, { on, bug: undefined, scenario }), refused, `${scenario} on ${on}`);
    }
  }
  assert.throws(() => checkMadeFor(external, { on: "store", bug: undefined, scenario: "nemesis" }), refused);
  checkMadeFor(external, { on: "api", bug: undefined, scenario: "apiserver-kill" });
  checkMadeFor(spec, { on: "api", bug: undefined, scenario: "leader-kill" });
});
