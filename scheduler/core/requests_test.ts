import assert from "node:assert/strict";
import { prng } from "../../base/prng.ts";
import type { Container, Pod } from "../../api/gen/types.ts";
import { pod } from "../testing.ts";
import { requestOf } from "./requests.ts";

const mebi = 1024 * 1024;

function withContainers(containers: Partial<Container>[], spec: Partial<Pod["spec"]> = {}): Pod {
  const base = pod("p");
  return {
    ...base,
    spec: { ...spec, containers: containers.map((each, i) => ({ name: `c${i}`, image: "i", ...each })) },
  };
}

Deno.test("requestOf() counts 100m and 200Mi for what a container does not name, in scores only", () => {
  const request = requestOf(withContainers([{}, { resources: { requests: { cpu: "250m" } } }]));
  assert.deepEqual(request, {
    cpu: 250,
    memory: 0,
    ephemeral: 0,
    extended: [],
    any: true,
    nonZeroCpu: 350,
    nonZeroMemory: 400 * mebi,
  });
});

Deno.test("requestOf() of an explicit zero is zero for scores too, and asks for nothing", () => {
  const request = requestOf(withContainers([{ resources: { requests: { cpu: "0", memory: "0" } } }]));
  assert.deepEqual([request.any, request.nonZeroCpu, request.nonZeroMemory], [false, 0, 0]);
});

Deno.test("requestOf() takes the larger of init containers and containers, sidecars beside both, plus overhead", () => {
  const request = requestOf({
    ...withContainers([{ resources: { requests: { cpu: "1", memory: "1Gi" } } }], {
      initContainers: [
        { name: "s", image: "i", restartPolicy: "Always", resources: { requests: { cpu: "500m" } } },
        { name: "i", image: "i", resources: { requests: { cpu: "2" } } },
      ],
      overhead: { cpu: "10m" },
    }),
  });
  assert.equal(request.cpu, 2510);
  assert.equal(request.memory, 1024 * mebi);
});

Deno.test("requestOf() rounds each pod up once, however the sum is made", () => {
  const request = requestOf(withContainers([
    { resources: { requests: { memory: "100m", cpu: "1" } } },
    { resources: { requests: { memory: "100m", cpu: "500m" } } },
  ]));
  assert.deepEqual([request.memory, request.cpu], [1, 1500]);
});

Deno.test("requestOf() lists extended resources by name, also those asked for with 0", () => {
  const request = requestOf(withContainers([
    { resources: { requests: { "z.io/b": "2", "a.io/x": "0", "hugepages-2Mi": "4Mi", unknown: "5" } } },
  ]));
  assert.deepEqual(request.extended, [["a.io/x", 0], ["hugepages-2Mi", 4 * mebi], ["z.io/b", 2]]);
  assert.equal(request.any, true);
});

Deno.test("requestOf()'s quick way equals its exact way for 2,000 random pods", () => {
  const random = prng(11);
  const cpus = ["1", "250m", "0", "12", "1999m"];
  const sizes = ["1Gi", "64Mi", "100M", "123456789", "5k", "0", "7Ki"];
  for (let i = 0; i < 2000; i++) {
    const containers = Array.from({ length: 1 + random.int(3) }, () => {
      const requests: Record<string, string> = {};
      if (random.int(3) > 0) requests["cpu"] = cpus[random.int(cpus.length)] ?? "1";
      if (random.int(3) > 0) requests["memory"] = sizes[random.int(sizes.length)] ?? "1";
      if (random.int(4) === 0) requests["ephemeral-storage"] = sizes[random.int(sizes.length)] ?? "1";
      return { resources: { requests } };
    });
    const quick = requestOf(withContainers(containers));
    // An empty overhead changes nothing but the way it is computed.
    const exact = requestOf(withContainers(containers, { overhead: {} }));
    assert.deepEqual(quick, exact, JSON.stringify(containers));
  }
});
