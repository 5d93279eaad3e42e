import { deepEqual, equal } from "node:assert/strict";
import { firstVersionAutoscaler, storedAutoscaler } from "./autoscalers.ts";
import type { HorizontalPodAutoscaler, V2HorizontalPodAutoscaler, V2MetricSpec } from "./gen/types.ts";

const prefix = "autoscaling.alpha.kubernetes.io/";
const target = { kind: "Deployment", name: "d", apiVersion: "apps/v1" };
const cpu: V2MetricSpec = {
  type: "Resource",
  resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 60 } },
};

function stored(
  spec: Partial<V2HorizontalPodAutoscaler["spec"]>,
  status?: V2HorizontalPodAutoscaler["status"],
): V2HorizontalPodAutoscaler {
  return {
    apiVersion: "autoscaling/v2",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "h", annotations: { mine: "1" } },
    spec: { scaleTargetRef: target, minReplicas: 2, maxReplicas: 5, metrics: [cpu], ...spec },
    ...(status === undefined ? {} : { status }),
  };
}

const selector = { matchLabels: { a: "b" } };
/** One of each type, in upstream's spelling in the annotation. */
const others: [V2MetricSpec, string][] = [
  [
    {
      type: "Object",
      object: {
        describedObject: { kind: "Service", name: "s" },
        metric: { name: "hits", selector },
        target: { type: "Value", value: "2k" },
      },
    },
    '{"type":"Object","object":{"target":{"kind":"Service","name":"s"},"metricName":"hits","targetValue":"2k",' +
    '"selector":{"matchLabels":{"a":"b"}}}}',
  ],
  [
    {
      type: "Object",
      object: {
        describedObject: { kind: "Service", name: "s" },
        metric: { name: "hits" },
        target: { type: "AverageValue", averageValue: "3" },
      },
    },
    '{"type":"Object","object":{"target":{"kind":"Service","name":"s"},"metricName":"hits","targetValue":"0",' +
    '"averageValue":"3"}}',
  ],
  [
    { type: "Pods", pods: { metric: { name: "p" }, target: { type: "AverageValue", averageValue: "4" } } },
    '{"type":"Pods","pods":{"metricName":"p","targetAverageValue":"4"}}',
  ],
  [
    { type: "Resource", resource: { name: "memory", target: { type: "AverageValue", averageValue: "1Gi" } } },
    '{"type":"Resource","resource":{"name":"memory","targetAverageValue":"1Gi"}}',
  ],
  [
    {
      type: "ContainerResource",
      containerResource: { name: "cpu", container: "c", target: { type: "Utilization", averageUtilization: 50 } },
    },
    '{"type":"ContainerResource","containerResource":{"name":"cpu","targetAverageUtilization":50,"container":"c"}}',
  ],
  [
    { type: "External", external: { metric: { name: "q", selector }, target: { type: "Value", value: "30" } } },
    '{"type":"External","external":{"metricName":"q","metricSelector":{"matchLabels":{"a":"b"}},"targetValue":"30"}}',
  ],
];

Deno.test("an autoscaler's CPU target is a field of autoscaling/v1, and its other metrics are in an annotation", () => {
  const plain = firstVersionAutoscaler(stored({}));
  deepEqual(plain, {
    apiVersion: "autoscaling/v1",
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "h", annotations: { mine: "1" } },
    spec: { scaleTargetRef: target, minReplicas: 2, maxReplicas: 5, targetCPUUtilizationPercentage: 60 },
  });
  deepEqual(storedAutoscaler(plain), stored({}));
  for (const [metric, text] of others) {
    const old = firstVersionAutoscaler(stored({ metrics: [metric, cpu] }));
    equal(old.metadata?.annotations?.[`${prefix}metrics`], `[${text}]`);
    equal(old.spec.targetCPUUtilizationPercentage, 60);
    deepEqual(storedAutoscaler(old), stored({ metrics: [metric, cpu] }));
  }
  const all = stored({ metrics: others.map(([metric]) => metric) });
  deepEqual(storedAutoscaler(firstVersionAutoscaler(all)), all);
});

Deno.test("behavior, conditions and measured metrics go through autoscaling/v1 and back", () => {
  const conditions = [{
    type: "AbleToScale",
    status: "True",
    lastTransitionTime: "2026-01-01T00:00:00Z",
    reason: "R",
    message: "m",
  }];
  const whole = stored({
    behavior: {
      scaleUp: {
        stabilizationWindowSeconds: 0,
        selectPolicy: "Max",
        policies: [{ type: "Pods", value: 4, periodSeconds: 15 }],
      },
      scaleDown: { selectPolicy: "Min", policies: [{ type: "Percent", value: 1, periodSeconds: 9 }], tolerance: "0.2" },
    },
  }, {
    observedGeneration: 3,
    lastScaleTime: "2026-01-01T00:00:00Z",
    currentReplicas: 2,
    desiredReplicas: 3,
    conditions,
    currentMetrics: [
      { type: "Resource", resource: { name: "cpu", current: { averageUtilization: 90, averageValue: "450m" } } },
      { type: "Pods", pods: { metric: { name: "p" }, current: { averageValue: "7" } } },
    ],
  });
  const old = firstVersionAutoscaler(whole);
  deepEqual(old.status, {
    observedGeneration: 3,
    lastScaleTime: "2026-01-01T00:00:00Z",
    currentReplicas: 2,
    desiredReplicas: 3,
    currentCPUUtilizationPercentage: 90,
  });
  const { annotations = {} } = old.metadata ?? {};
  equal(
    annotations[`${prefix}behavior`],
    '{"ScaleUp":{"StabilizationWindowSeconds":0,"SelectPolicy":"Max","Policies":[{"Type":"Pods","Value":4,' +
      '"PeriodSeconds":15}],"Tolerance":null},"ScaleDown":{"StabilizationWindowSeconds":null,"SelectPolicy":"Min",' +
      '"Policies":[{"Type":"Percent","Value":1,"PeriodSeconds":9}],"Tolerance":"0.2"}}',
  );
  equal(
    annotations[`${prefix}current-metrics`],
    '[{"type":"Resource","resource":{"name":"cpu","currentAverageUtilization":90,"currentAverageValue":"450m"}},' +
      '{"type":"Pods","pods":{"metricName":"p","currentAverageValue":"7"}}]',
  );
  equal(annotations[`${prefix}conditions`], JSON.stringify(conditions));
  const back = storedAutoscaler(old);
  deepEqual(back, { ...whole, spec: { ...whole.spec, behavior: back.spec.behavior } });
  equal(back.spec.behavior?.scaleDown?.tolerance, "200m");
  deepEqual(back.spec.behavior?.scaleUp, whole.spec.behavior?.scaleUp);
});

Deno.test("an autoscaler of autoscaling/v1 without a target aims at 80 %, whatever nonsense its annotations hold", () => {
  for (
    const nonsense of [
      undefined,
      "",
      "no JSON",
      "{}",
      "[1]",
      '[{"type":5}]',
      '[{"type":"Pods","pods":1,"status":1}]',
      "null",
    ]
  ) {
    const scaler: HorizontalPodAutoscaler = {
      metadata: {
        name: "h",
        ...(nonsense === undefined ? {} : {
          annotations: {
            [`${prefix}metrics`]: nonsense,
            [`${prefix}behavior`]: nonsense,
            [`${prefix}conditions`]: nonsense,
            [`${prefix}current-metrics`]: nonsense,
          },
        }),
      },
      spec: { scaleTargetRef: target, maxReplicas: 5 },
    };
    const { metadata, spec, status } = storedAutoscaler(scaler);
    const what = String(nonsense);
    deepEqual(metadata, { name: "h" }, what);
    deepEqual(spec.metrics, [{
      type: "Resource",
      resource: { name: "cpu", target: { type: "Utilization", averageUtilization: 80 } },
    }], what);
    deepEqual([spec.behavior, status], [undefined, undefined], what);
  }
});
