import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { type Prng, prng } from "../../base/prng.ts";
import { applyJsonPatch, applyMergePatch, applyStrategicMergePatch, createMergePatch } from "./mod.ts";
import { patchFailure, type PatchFault } from "./mod.ts";
import { PatchError } from "./errors.ts";

function fails(call: () => unknown, fault: PatchFault, message: string | RegExp): void {
  throws(call, (error) => {
    ok(error instanceof PatchError, String(error));
    equal(error.fault, fault);
    if (typeof message === "string") equal(error.message, message);
    else ok(message.test(error.message), error.message);
    return true;
  });
}

Deno.test("applyJsonPatch() does the operations of RFC 6902 and leaves its input alone", () => {
  const document = { a: { "b/c": [1, 2, 3], "~": 1 }, n: null };
  const before = structuredClone(document);
  deepEqual(applyJsonPatch(document, [{ op: "add", path: "/a/b~1c/1", value: 9 }]), {
    a: { "b/c": [1, 9, 2, 3], "~": 1 },
    n: null,
  });
  deepEqual(applyJsonPatch(document, [{ op: "add", path: "/a/b~1c/-", value: 4 }, { op: "remove", path: "/a/~0" }]), {
    a: { "b/c": [1, 2, 3, 4] },
    n: null,
  });
  deepEqual(
    applyJsonPatch(document, [
      { op: "test", path: "/n", value: null },
      { op: "move", from: "/a/b~1c/0", path: "/x" },
      { op: "copy", from: "/x", path: "/y" },
      { op: "replace", path: "/a", value: {} },
    ]),
    { a: {}, n: null, x: 1, y: 1 },
  );
  deepEqual(document, before);
  const proto = applyJsonPatch({ d: {} }, [{ op: "add", path: "/d/__proto__", value: { x: 1 } }]);
  equal(JSON.stringify(proto), '{"d":{"__proto__":{"x":1}}}');
});

Deno.test("applyJsonPatch() says what does not apply and bounds operations and copies", () => {
  fails(() => applyJsonPatch({}, [{ op: "remove", path: "/a" }]), "inapplicable", /remove operation does not apply/);
  fails(
    () => applyJsonPatch({}, [{ op: "add", path: "/a/b", value: 1 }]),
    "inapplicable",
    /doc is missing path: "\/a\/b"/,
  );
  fails(() => applyJsonPatch([1], [{ op: "add", path: "/01", value: 1 }]), "inapplicable", /add operation/);
  fails(
    () => applyJsonPatch({ a: 1 }, [{ op: "test", path: "/a", value: 2 }]),
    "inapplicable",
    "testing value /a failed: test failed",
  );
  fails(() => applyJsonPatch({}, {}), "malformed", /must be an array/);
  fails(() => applyJsonPatch({}, [{ op: "zap", path: "" }]), "malformed", "Unexpected kind: zap");
  fails(
    () => applyJsonPatch({}, Array(10_001).fill({ op: "add", path: "/a", value: 1 })),
    "too-large",
    /10000, got 10001/,
  );
  const doubling = Array.from({ length: 40 }, () => ({ op: "copy", from: "/a", path: "/a/-" }));
  fails(() => applyJsonPatch({ a: ["x".repeat(1000)] }, doubling), "too-large", /copies/);
  equal(patchFailure(new PatchError("inapplicable", "x")).code, 422);
});

Deno.test("applyMergePatch() passes the examples of RFC 7386's appendix", () => {
  const cases: [unknown, Record<string, unknown>, unknown][] = [
    [{ a: "b" }, { a: "c" }, { a: "c" }],
    [{ a: "b" }, { b: "c" }, { a: "b", b: "c" }],
    [{ a: "b", b: "c" }, { a: null }, { b: "c" }],
    [{ a: ["b"] }, { a: "c" }, { a: "c" }],
    [{ a: "c" }, { a: ["b"] }, { a: ["b"] }],
    [{ a: { b: "c" } }, { a: { b: "d", c: null } }, { a: { b: "d" } }],
    [{ a: [{ b: "c" }] }, { a: [1] }, { a: [1] }],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: "b", c: null }, { a: "b" }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ];
  for (const [target, patch, want] of cases) deepEqual(applyMergePatch(target, patch), want);
});

function randomObject(random: Prng, depth = 0): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  for (const key of ["a", "b", "c", "d"]) {
    const kind = random.int(depth > 2 ? 3 : 5);
    if (kind === 1) object[key] = random.int(3);
    if (kind === 2) object[key] = [random.int(2), "x"].slice(random.int(2));
    if (kind >= 3) object[key] = randomObject(random, depth + 1);
  }
  return object;
}

Deno.test("createMergePatch() makes the patch that applyMergePatch() turns one object into the other with", () => {
  const random = prng(17);
  for (let round = 0; round < 500; round++) {
    const from = randomObject(random);
    const to = randomObject(random);
    const patch = createMergePatch(from, to);
    deepEqual(patch === undefined ? from : applyMergePatch(from, patch), to);
  }
  equal(createMergePatch({ a: { b: 1 } }, { a: { b: 1 } }), undefined);
});

const deployment = "io.k8s.api.apps.v1.Deployment";
const pod = "io.k8s.api.core.v1.Pod";
type Named = { name: string; [key: string]: unknown };

function containers(list: Named[], extra: Record<string, unknown> = {}) {
  return { spec: { template: { spec: { containers: list, ...extra } } } };
}

Deno.test("applyStrategicMergePatch() merges containers by name, env by name and ports by number", () => {
  const live = containers([
    {
      name: "app",
      image: "a:1",
      env: [{ name: "A", value: "1" }, { name: "B", value: "2" }],
      ports: [{ containerPort: 80, protocol: "TCP" }],
    },
    { name: "side", image: "s:1", args: ["x", "y"] },
  ]);
  const patch = containers([
    { name: "side", args: ["z"] },
    {
      name: "app",
      env: [{ name: "B", value: "3" }, { name: "C", value: "4" }, { name: "A", $patch: "delete" }],
      ports: [{ containerPort: 80, name: "http" }],
    },
  ]);
  deepEqual(
    applyStrategicMergePatch(live, patch, deployment),
    containers([
      { name: "side", image: "s:1", args: ["z"] },
      {
        name: "app",
        image: "a:1",
        env: [{ name: "B", value: "3" }, { name: "C", value: "4" }],
        ports: [{ containerPort: 80, protocol: "TCP", name: "http" }],
      },
    ]),
  );
});

Deno.test("applyStrategicMergePatch() puts new items first without an order, and obeys $setElementOrder with one", () => {
  const live = containers([{ name: "a", image: "1" }, { name: "b", image: "1" }]);
  const added = applyStrategicMergePatch(live, containers([{ name: "c", image: "1" }]), deployment);
  deepEqual(added, containers([{ name: "c", image: "1" }, { name: "a", image: "1" }, { name: "b", image: "1" }]));
  const ordered = applyStrategicMergePatch(
    live,
    containers([{ name: "c", image: "1" }], {
      "$setElementOrder/containers": [{ name: "b" }, { name: "c" }, { name: "a" }],
    }),
    deployment,
  );
  deepEqual(ordered, containers([{ name: "b", image: "1" }, { name: "c", image: "1" }, { name: "a", image: "1" }]));
  const onlyOrder = applyStrategicMergePatch(
    live,
    containers([], {
      containers: undefined,
      "$setElementOrder/containers": [{ name: "b" }, { name: "a" }],
    }),
    deployment,
  );
  deepEqual(onlyOrder, containers([{ name: "b", image: "1" }, { name: "a", image: "1" }]));
  fails(
    () =>
      applyStrategicMergePatch(
        live,
        containers([{ name: "b" }, { name: "a" }], {
          "$setElementOrder/containers": [{ name: "a" }, { name: "b" }],
        }),
        deployment,
      ),
    "inapplicable",
    /doesn't match \$setElementOrder/,
  );
});

Deno.test("applyStrategicMergePatch() obeys $patch, $retainKeys and $deleteFromPrimitiveList", () => {
  const live = {
    metadata: { finalizers: ["a/a", "b/b", "c/c"], labels: { x: "1", y: "2" } },
    spec: { strategy: { type: "RollingUpdate", rollingUpdate: { maxSurge: 1 } }, replicas: 2 },
  };
  deepEqual(
    applyStrategicMergePatch(live, {
      metadata: { "$deleteFromPrimitiveList/finalizers": ["b/b"], finalizers: ["d/d"], labels: { x: null } },
      spec: { strategy: { $retainKeys: ["type"], type: "Recreate" } },
    }, deployment),
    {
      metadata: { finalizers: ["d/d", "a/a", "c/c"], labels: { y: "2" } },
      spec: { strategy: { type: "Recreate" }, replicas: 2 },
    },
  );
  deepEqual(applyStrategicMergePatch(live, { metadata: { $patch: "replace", name: "n" } }, deployment).metadata, {
    name: "n",
  });
  deepEqual(applyStrategicMergePatch(live, { metadata: { labels: { $patch: "delete" } } }, deployment).metadata, {
    finalizers: ["a/a", "b/b", "c/c"],
    labels: {},
  });
  const volumes = {
    spec: { volumes: [{ name: "v", emptyDir: {} }, { name: "w", emptyDir: {} }], tolerations: [{ key: "a" }] },
  };
  deepEqual(
    applyStrategicMergePatch(volumes, {
      spec: {
        volumes: [{ name: "v", $retainKeys: ["name", "hostPath"], hostPath: { path: "/x" } }],
        tolerations: [{ key: "b" }],
      },
    }, pod),
    {
      spec: {
        volumes: [{ name: "v", hostPath: { path: "/x" } }, { name: "w", emptyDir: {} }],
        tolerations: [{ key: "b" }],
      },
    },
  );
  deepEqual(
    applyStrategicMergePatch(volumes, { spec: { volumes: [{ $patch: "replace" }, { name: "z" }] } }, pod).spec,
    {
      volumes: [{ name: "z" }],
      tolerations: [{ key: "a" }],
    },
  );
});

Deno.test("applyStrategicMergePatch() refuses items without their merge key and unknown directives", () => {
  const live = containers([{ name: "a" }]);
  fails(
    () =>
      applyStrategicMergePatch(live, { spec: { template: { spec: { containers: [{ image: "x" }] } } } }, deployment),
    "inapplicable",
    /does not contain declared merge key: name/,
  );
  fails(
    () => applyStrategicMergePatch(live, { spec: { $patch: "zap" } }, deployment),
    "inapplicable",
    "unknown patch type found: zap",
  );
  // Found by fuzzing: a directive that has a toString of its own.
  fails(
    () => applyStrategicMergePatch(live, { spec: { $patch: { toString: 1 } } }, deployment),
    "inapplicable",
    'unknown patch type found: {"toString":1}',
  );
  fails(() => applyStrategicMergePatch(live, [], deployment), "malformed", /must be an object/);
});

Deno.test("applyStrategicMergePatch() equals a dumb twin over random lists: every item once, patched, others kept", () => {
  const random = prng(23);
  const draw = (with2: boolean) =>
    ["a", "b", "c", "d", "e"].filter(() => random.int(2) === 0).sort(() => random.int(3) - 1)
      .map((name): Named => with2 ? { name, image: `${random.int(9)}` } : { name, workingDir: `${random.int(9)}` });
  for (let round = 0; round < 500; round++) {
    const live = draw(true);
    const change = draw(false);
    const gone = change.filter(() => random.int(4) === 0).map((item) => item.name);
    const patch = change.map((item) => gone.includes(item.name) ? { name: item.name, $patch: "delete" } : item);
    const result = applyStrategicMergePatch({ spec: { containers: live } }, { spec: { containers: patch } }, pod);
    const list = (result.spec as { containers?: Named[] }).containers ?? [];
    const want = new Map<string, Named>();
    for (const item of live) if (!gone.includes(item.name)) want.set(item.name, item);
    for (const item of change) if (!gone.includes(item.name)) want.set(item.name, { ...want.get(item.name), ...item });
    deepEqual(new Map(list.map((item) => [item.name, item])), want);
    equal(list.length, want.size);
    const again = applyStrategicMergePatch(result, { spec: { containers: patch } }, pod);
    deepEqual(again, result, "a patch applied twice changes nothing the second time");
  }
});
