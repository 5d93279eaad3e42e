import assert from "node:assert/strict";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Pod } from "../../api/gen/types.ts";
import { createAddressPool } from "./address_pool.ts";
import { goDuration } from "./backoff.ts";
import { formatLog, parseLogLine } from "./cri_log.ts";
import { buildEnv, type EnvSources, expand } from "./env.ts";
import { parseImage, pullPolicyOf, shouldPull } from "./image.ts";
import { createProbe, mayRun, recordProbe } from "./probes.ts";
import { admit, resourceFieldText } from "./resources.ts";
import { statusPatch } from "./status_patch.ts";

Deno.test("parseImage() takes names apart and adds :latest", () => {
  assert.deepEqual(parseImage("nginx"), { reference: "nginx:latest", repository: "nginx", tag: "latest", digest: "" });
  assert.equal(parseImage("registry.k8s.io/pause:3.10")?.repository, "registry.k8s.io/pause");
  assert.equal(parseImage("localhost:5000/a/b:c")?.repository, "localhost:5000/a/b");
  assert.equal(parseImage(`a@sha256:${"0".repeat(64)}`)?.reference, `a@sha256:${"0".repeat(64)}`);
  for (const bad of ["", "UPPER", "a:b:c", "a b", "-a", "a".repeat(600)]) assert.equal(parseImage(bad), null, bad);
});

Deno.test("pullPolicyOf() follows the tag unless the pod says otherwise", () => {
  const latest = parseImage("nginx");
  const fixed = parseImage("nginx:1");
  assert.ok(latest !== null && fixed !== null);
  assert.equal(pullPolicyOf(latest, undefined), "Always");
  assert.equal(pullPolicyOf(fixed, undefined), "IfNotPresent");
  assert.equal(pullPolicyOf(latest, "Never"), "Never");
  assert.deepEqual([shouldPull("Always", true), shouldPull("IfNotPresent", true), shouldPull("Never", false)], [
    true,
    false,
    false,
  ]);
});

Deno.test("goDuration() writes durations as Go does", () => {
  const texts = [0, 200, 1500, 10_000, 80_000, 300_000, 3_601_000].map(goDuration);
  assert.deepEqual(texts, ["0s", "200ms", "1.5s", "10s", "1m20s", "5m0s", "1h0m1s"]);
});

Deno.test("a readiness probe needs its thresholds in a row, in both directions", () => {
  const probe = createProbe("readiness", { periodSeconds: 2, failureThreshold: 2, successThreshold: 2 }, 1000);
  assert.equal(probe.nextAtMs, 1000);
  assert.equal(recordProbe(probe, true, 1000), false);
  assert.equal(recordProbe(probe, false, 3000), false);
  assert.equal(recordProbe(probe, true, 5000), false);
  assert.equal(recordProbe(probe, true, 7000), true);
  assert.equal(probe.result, true);
  assert.equal(probe.nextAtMs, 9000);
  assert.equal(recordProbe(probe, false, 9000), false);
  assert.equal(recordProbe(probe, false, 11_000), true);
  assert.equal(probe.result, false);
});

Deno.test("a liveness probe waits for the startup probe and gives up at its threshold", () => {
  const live = createProbe("liveness", { failureThreshold: 1, initialDelaySeconds: 5 }, 0);
  assert.equal(live.nextAtMs, 5000);
  assert.equal(mayRun(live, false), false);
  assert.equal(mayRun(live, true), true);
  assert.equal(recordProbe(live, false, 5000), true);
  assert.deepEqual([live.result, live.done], [false, true]);
  const startup = createProbe("startup", { failureThreshold: 3 }, 0);
  assert.equal(mayRun(startup, false), true);
  assert.equal(recordProbe(startup, true, 1), true);
  assert.equal(mayRun(startup, true), false);
});

const pod: Pod = {
  metadata: { name: "p", namespace: "ns", uid: "u", labels: { app: "web" } },
  spec: { containers: [{ name: "c" }], serviceAccountName: "robot" },
};
const sources: EnvSources = {
  configMaps: new Map([["settings", { color: "green", "not.a.name": "x" }]]),
  secrets: new Map([["keys", { token: "t" }]]),
  services: [
    {
      metadata: { name: "my-db", namespace: "ns" },
      spec: { clusterIP: "127.9.0.2", ports: [{ port: 5432, name: "sql" }] },
    },
    { metadata: { name: "other", namespace: "elsewhere" }, spec: { clusterIP: "127.9.0.3", ports: [{ port: 1 }] } },
    { metadata: { name: "headless", namespace: "ns" }, spec: { clusterIP: "None", ports: [{ port: 1 }] } },
    {
      metadata: { name: "kubernetes", namespace: "default" },
      spec: { clusterIP: "127.9.0.1", ports: [{ port: 443 }] },
    },
  ],
  podIP: "127.1.2.3",
  hostIP: "127.1.1.1",
  nodeName: "n",
  resource: () => "2",
};

Deno.test("buildEnv() resolves every kind of source; later ones win and see earlier ones", () => {
  const result = buildEnv(pod, {
    name: "c",
    envFrom: [{ prefix: "CFG_", configMapRef: { name: "settings" } }],
    env: [
      { name: "POD", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
      { name: "APP", valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: "TOKEN", valueFrom: { secretKeyRef: { name: "keys", key: "token" } } },
      { name: "CPUS", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
      { name: "CFG_color", value: "blue" },
      { name: "SENTENCE", value: "$(POD) is $(CFG_color), $$(POD), $(NOBODY)" },
      { name: "MAYBE", valueFrom: { configMapKeyRef: { name: "none", key: "k", optional: true } } },
    ],
  }, sources);
  assert.ok(result.ok);
  const { env } = result;
  assert.equal(env.SENTENCE, "p is blue, $(POD), $(NOBODY)");
  assert.deepEqual([env.APP, env.TOKEN, env.CPUS, env["CFG_not.a.name"], env.MAYBE], ["web", "t", "2", "x", undefined]);
  assert.equal(env.MY_DB_SERVICE_HOST, "127.9.0.2");
  assert.equal(env.MY_DB_SERVICE_PORT_SQL, "5432");
  assert.equal(env.MY_DB_PORT_5432_TCP_ADDR, "127.9.0.2");
  assert.equal(env.KUBERNETES_SERVICE_HOST, "127.9.0.1");
  assert.equal(env.OTHER_SERVICE_HOST, undefined);
  assert.equal(env.HEADLESS_SERVICE_HOST, undefined);
});

Deno.test("buildEnv() without service links still has the kubernetes service; a missing key is said by name", () => {
  const quiet = buildEnv({ ...pod, spec: { containers: [], enableServiceLinks: false } }, { name: "c" }, sources);
  assert.ok(quiet.ok);
  assert.deepEqual([quiet.env.MY_DB_SERVICE_HOST, quiet.env.KUBERNETES_SERVICE_PORT], [undefined, "443"]);
  const from = { configMapKeyRef: { name: "settings", key: "size" } };
  const failed = buildEnv(pod, { name: "c", env: [{ name: "A", valueFrom: from }] }, sources);
  assert.deepEqual(failed, { ok: false, message: "couldn't find key size in ConfigMap ns/settings" });
  const absent = buildEnv(pod, { name: "c", envFrom: [{ secretRef: { name: "nope" } }] }, sources);
  assert.deepEqual(absent, { ok: false, message: 'secret "nope" not found' });
});

Deno.test("expand() leaves unknown names, single dollars and nesting as they are", () => {
  assert.equal(
    expand("$A $(A) $$(A) $(B) $($(A)) $", { A: "1" }),
    "$A 1 $(A) $(B) $($(A)) $",
  );
});

Deno.test("resourceFieldText() rounds up and falls back on what the node has", () => {
  const container = { name: "c", resources: { limits: { cpu: "1500m" }, requests: { memory: "64Mi" } } };
  assert.equal(resourceFieldText(container, "limits.cpu", "0", {}), "2");
  assert.equal(resourceFieldText(container, "limits.cpu", "1m", {}), "1500");
  assert.equal(resourceFieldText(container, "requests.memory", "1Mi", {}), "64");
  assert.equal(resourceFieldText(container, "limits.memory", "1Gi", { memory: "8Gi" }), "8");
  assert.equal(resourceFieldText(container, "limits.gpu", "0", {}), null);
});

Deno.test("admit() turns a pod away in the kubelet's words", () => {
  const asking = (cpu: string): Pod => ({ spec: { containers: [{ name: "c", resources: { requests: { cpu } } }] } });
  const allocatable = { cpu: "1", memory: "1Gi", pods: "2" };
  assert.equal(admit(asking("600m"), [asking("400m")], allocatable), null);
  assert.deepEqual(admit(asking("601m"), [asking("400m")], allocatable), {
    reason: "OutOfcpu",
    message: "Pod was rejected: Node didn't have enough resource: cpu, requested: 601, used: 400, capacity: 1000",
  });
  assert.equal(admit(asking("1m"), [asking("1m"), asking("1m")], allocatable)?.reason, "OutOfpods");
});

Deno.test("formatLog() and parseLogLine() are each other's inverse, whatever the chunks", () => {
  const text = `one\n${"x".repeat(50)}\n\nlast`;
  for (let cut = 0; cut <= text.length; cut++) {
    const back: Uint8Array[] = [];
    let rest = utf8(text.slice(0, cut));
    for (const more of [utf8(text.slice(cut)), new Uint8Array(0)]) {
      const final = more.length === 0;
      const { lines, consumed } = formatLog(rest, "stdout", 0, { final, maxLineBytes: 20 });
      rest = concatBytes([rest.subarray(consumed), more]);
      for (const line of fromUtf8(concatBytes(lines)).split(/(?<=\n)/)) {
        const parsed = parseLogLine(utf8(line));
        if (parsed !== null) back.push(parsed.text);
      }
    }
    const { lines } = formatLog(rest, "stdout", 0, { final: true, maxLineBytes: 20 });
    for (const line of fromUtf8(concatBytes(lines)).split(/(?<=\n)/)) {
      const parsed = parseLogLine(utf8(line));
      if (parsed !== null) back.push(parsed.text);
    }
    assert.equal(fromUtf8(concatBytes(back)), text, `cut at ${cut}`);
  }
  assert.equal(parseLogLine(utf8("nonsense\n")), null);
});

Deno.test("statusPatch() says only what changed, takes away what is gone, and leaves others' conditions alone", () => {
  const before = {
    phase: "Pending",
    reason: "Old",
    podIPs: [{ ip: "127.0.0.2" }],
    conditions: [
      { type: "Ready", status: "False", reason: "R", lastTransitionTime: "a" },
      { type: "Theirs", status: "True" },
    ],
  };
  const after = {
    phase: "Running",
    podIPs: [{ ip: "127.0.0.3" }],
    conditions: [{ type: "Ready", status: "True", lastTransitionTime: "b" }],
  };
  assert.deepEqual(statusPatch(before, after), {
    phase: "Running",
    reason: null,
    podIPs: [{ ip: "127.0.0.3" }, { $patch: "delete", ip: "127.0.0.2" }],
    conditions: [{ type: "Ready", status: "True", reason: null, lastTransitionTime: "b" }],
  });
  assert.equal(statusPatch(after, after), null);
});

Deno.test("createAddressPool() gives each address once, remembers wanted ones, and reuses what is free", () => {
  const pool = createAddressPool("127.9.1.0/29");
  assert.equal(pool.take("127.9.1.4"), "127.9.1.4");
  const rest = [pool.take(), pool.take(), pool.take("127.9.1.4"), pool.take()];
  assert.deepEqual(rest, ["127.9.1.2", "127.9.1.3", "127.9.1.5", "127.9.1.6"]);
  assert.equal(pool.take(), null);
  pool.free("127.9.1.3");
  pool.free("127.9.1.3");
  assert.equal(pool.take(), "127.9.1.3");
  assert.equal(pool.taken, 5);
  for (const bad of ["127.0.0.0", "a/24", "127.0.0.0/31", "300.0.0.0/24"]) {
    assert.throws(() => createAddressPool(bad), RangeError, bad);
  }
});
