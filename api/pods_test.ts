import { deepEqual, equal, match, notEqual } from "node:assert/strict";
import type { Container, Pod } from "./gen/types.ts";
import { scaledValue } from "./int_or_string.ts";
import { findUntoleratedTaint, isPodAvailable, podRequests, podTemplateHash, tolerates } from "./pods.ts";
import { podQosClass } from "./qos.ts";
import { formatQuantity } from "./quantity.ts";

function container(name: string, requests: Record<string, string>, limits: Record<string, string> = {}): Container {
  return { name, resources: { requests, limits } };
}

function shown(pod: Pod): Record<string, string> {
  return Object.fromEntries([...podRequests(pod)].map(([name, amount]) => [name, formatQuantity(amount)]));
}

Deno.test("podRequests() takes the larger of init phase and containers, counts sidecars in both, adds overhead", () => {
  const pod: Pod = {
    spec: {
      containers: [container("a", { cpu: "100m", memory: "64Mi" }), container("b", { cpu: "200m" })],
      initContainers: [
        container("big", { cpu: "250m", memory: "1Gi" }),
        { ...container("side", { cpu: "50m" }), restartPolicy: "Always" },
        container("late", { cpu: "400m" }),
      ],
      overhead: { cpu: "10m" },
    },
  };
  deepEqual(shown(pod), { cpu: "460m", memory: "1Gi" });
  pod.spec = { ...pod.spec as { containers: Container[] }, resources: { requests: { cpu: "1" } } };
  deepEqual(shown(pod), { cpu: "1010m", memory: "1Gi" });
});

Deno.test("podQosClass() is Guaranteed only when every container limits cpu and memory to its requests", () => {
  const both = { cpu: "1", memory: "1Gi" };
  equal(podQosClass({ spec: { containers: [{ name: "a" }] } }), "BestEffort");
  equal(podQosClass({ spec: { containers: [container("a", both, both)] } }), "Guaranteed");
  equal(podQosClass({ spec: { containers: [container("a", both, both), { name: "b" }] } }), "Burstable");
  equal(podQosClass({ spec: { containers: [container("a", { cpu: "1" }, both)] } }), "Burstable");
  equal(podQosClass({ spec: { containers: [container("a", { "x.io/gpu": "1" })] } }), "BestEffort");
});

Deno.test("tolerates() and findUntoleratedTaint() follow operator, key, value and effect", () => {
  const taint = { key: "k", value: "v", effect: "NoSchedule" };
  equal(tolerates({ key: "k", value: "v" }, taint), true);
  equal(tolerates({ key: "k", value: "w" }, taint), false);
  equal(tolerates({ key: "k", operator: "Exists", effect: "NoExecute" }, taint), false);
  equal(tolerates({ operator: "Exists" }, taint), true);
  equal(findUntoleratedTaint([taint], [], ["NoExecute"]), undefined);
  equal(findUntoleratedTaint([taint], [], ["NoSchedule"]), taint);
});

Deno.test("podTemplateHash() ignores key order, sees every change, and moves with the collision count", () => {
  const a = podTemplateHash({ metadata: { labels: { x: "1", y: "2" } }, spec: { containers: [{ name: "c" }] } });
  const b = podTemplateHash({ spec: { containers: [{ name: "c" }] }, metadata: { labels: { y: "2", x: "1" } } });
  equal(a, b);
  match(a, /^[bcdfghjklmnpqrstvwxz2456789]{1,10}$/);
  notEqual(a, podTemplateHash({ spec: { containers: [{ name: "d" }] } }));
  notEqual(podTemplateHash({}, 1), podTemplateHash({}, 2));
});

Deno.test("isPodAvailable() waits for minReadySeconds; scaledValue() rounds as told", () => {
  const ready = { type: "Ready", status: "True", lastTransitionTime: "2023-11-14T22:13:20Z" };
  const pod: Pod = { status: { conditions: [ready] } };
  equal(isPodAvailable(pod, 10, 1_700_000_009_000), false);
  equal(isPodAvailable(pod, 10, 1_700_000_010_000), true);
  equal(scaledValue("25%", 10, "up"), 3);
  equal(scaledValue("25%", 10, "down"), 2);
  equal(scaledValue(4, 10, "down"), 4);
  equal(scaledValue("25", 10, "up"), undefined);
});
