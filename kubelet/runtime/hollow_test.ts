import assert from "node:assert/strict";
import { createClock, createTimers } from "../../platform/deno/clock.ts";
import { createRandom } from "../../platform/deno/random.ts";
import { runtimeContract } from "./contract.ts";
import { HollowRuntime } from "./hollow.ts";

function make(startDelayMs = 0): HollowRuntime {
  return new HollowRuntime({ podCidr: "127.250.1.0/24", nodeAddress: "127.250.0.1", startDelayMs }, {
    clock: createClock(),
    timers: createTimers(),
    random: createRandom(),
  });
}

runtimeContract("hollow", async () => ({
  runtime: make(),
  image: "nginx:1.27",
  longCommand: [],
  cleanUp: async () => {},
}));

Deno.test("HollowRuntime.restore() brings back a running pod at its address, with its restart count", async () => {
  const runtime = make();
  runtime.restore({
    metadata: { uid: "u1", name: "a", namespace: "default" },
    spec: { containers: [{ name: "c", image: "nginx" }] },
    status: {
      phase: "Running",
      podIP: "127.250.1.77",
      containerStatuses: [{
        name: "c",
        image: "nginx",
        imageID: "nginx@simulated",
        containerID: "hollow://abc",
        ready: true,
        restartCount: 3,
        state: { running: { startedAt: "2026-01-01T00:00:00Z" } },
      }],
    },
  });
  assert.equal((await runtime.listPodSandboxes("u1"))[0]?.ip, "127.250.1.77");
  const container = (await runtime.listContainers("u1"))[0];
  assert.deepEqual([container?.id, container?.attempt, container?.state], ["abc", 3, "running"]);
  await runtime.stop();
});
