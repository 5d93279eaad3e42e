/** Builders and random clusters for tests and benches. */
import type { Node, Pod, PodSpec, Taint } from "../api/gen/types.ts";
import type { Prng } from "../base/prng.ts";

export interface NodeOptions {
  readonly allocatable?: Record<string, string>;
  readonly labels?: Record<string, string>;
  readonly taints?: Taint[];
  readonly unschedulable?: boolean;
}

export function node(name: string, options: NodeOptions = {}): Node {
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...options.labels } },
    spec: {
      ...(options.taints === undefined ? {} : { taints: options.taints }),
      ...(options.unschedulable === undefined ? {} : { unschedulable: options.unschedulable }),
    },
    status: { allocatable: { cpu: "4", memory: "8Gi", pods: "110", ...options.allocatable } },
  };
}

export interface PodOptions {
  readonly requests?: Record<string, string>;
  readonly spec?: Partial<PodSpec>;
  readonly namespace?: string;
  readonly uid?: string;
  readonly phase?: string;
}

export function pod(name: string, options: PodOptions = {}): Pod {
  const namespace = options.namespace ?? "default";
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace, uid: options.uid ?? `uid-${namespace}-${name}`, resourceVersion: "1" },
    spec: {
      schedulerName: "default-scheduler",
      containers: [{
        name: "c",
        image: "i",
        ...(options.requests === undefined ? {} : { resources: { requests: options.requests } }),
      }],
      ...options.spec,
    },
    status: { phase: options.phase ?? "Pending" },
  };
}

function choose<T>(random: Prng, items: readonly [T, ...T[]]): T {
  return items[random.int(items.length)] ?? items[0];
}

const zones = ["a", "b", "c"] as const;
const effects = ["NoSchedule", "NoExecute", "PreferNoSchedule", "PreferNoSchedule"] as const;

export function randomTaints(random: Prng): Taint[] {
  return Array.from({ length: random.int(3) }, () => ({
    key: `t${random.int(3)}`,
    value: `v${random.int(2)}`,
    effect: choose(random, effects),
  }));
}

/** Mostly ordinary; now and then zero, huge (beyond 2^53 / 100 bytes) or missing resources. */
export function randomNode(random: Prng, name: string): Node {
  const odd = random.int(12);
  const allocatable: Record<string, string> = {
    cpu: odd === 0 ? "0" : choose(random, ["500m", "1", "2", "4", "16", "1930m", "3999m"]),
    memory: odd === 1
      ? "0"
      : odd === 2
      ? "120Ti"
      : choose(random, ["1Gi", "2Gi", "8Gi", "64Gi", "7890123Ki", "3333333333"]),
    pods: `${random.int(4) === 0 ? random.int(6) : 110}`,
    "ephemeral-storage": choose(random, ["10Gi", "100Gi"]),
    ...(random.int(3) === 0 ? { "example.com/gpu": `${random.int(4)}` } : {}),
  };
  if (odd === 3) delete allocatable["memory"];
  return {
    apiVersion: "v1",
    kind: "Node",
    metadata: {
      name,
      labels: { zone: choose(random, zones), "kubernetes.io/hostname": name, size: `${random.int(9)}` },
    },
    spec: {
      ...(random.int(3) === 0 ? { taints: randomTaints(random) } : {}),
      ...(random.int(10) === 0 ? { unschedulable: true } : {}),
    },
    status: { allocatable },
  };
}

export function randomPod(random: Prng, name: string): Pod {
  const requests: Record<string, string> = {};
  if (random.int(4) !== 0) requests["cpu"] = choose(random, ["0", "1m", "50m", "100m", "333m", "1", "2500m"]);
  if (random.int(4) !== 0) {
    requests["memory"] = choose(random, ["0", "1Mi", "64Mi", "100M", "1Gi", "777777777", "30Ti"]);
  }
  if (random.int(8) === 0) requests["ephemeral-storage"] = choose(random, ["1Gi", "50Gi"]);
  if (random.int(8) === 0) requests["example.com/gpu"] = `${random.int(4)}`;
  if (random.int(30) === 0) requests["example.com/fpga"] = `${random.int(2)}`;
  const spec: Partial<PodSpec> = { priority: random.int(3) };
  if (random.int(3) === 0) {
    spec.tolerations = Array.from(
      { length: 1 + random.int(2) },
      () =>
        random.int(4) === 0
          ? { operator: "Exists" }
          : { key: `t${random.int(3)}`, operator: "Equal", value: `v${random.int(2)}` },
    );
  }
  if (random.int(5) === 0) spec.nodeSelector = { zone: choose(random, zones) };
  if (random.int(4) === 0) {
    spec.affinity = {
      nodeAffinity: {
        ...(random.int(2) === 0 ? {} : {
          requiredDuringSchedulingIgnoredDuringExecution: {
            nodeSelectorTerms: Array.from({ length: 1 + random.int(2) }, () =>
              random.int(4) === 0
                ? {
                  matchFields: [{ key: "metadata.name", operator: "In", values: [`n${random.int(12)}`] }],
                }
                : {
                  matchExpressions: [
                    choose(random, [
                      { key: "zone", operator: "NotIn", values: ["a"] },
                      { key: "size", operator: "Gt", values: ["3"] },
                      { key: "size", operator: "Exists" },
                      { key: "missing", operator: "DoesNotExist" },
                    ]),
                  ],
                }),
          },
        }),
        preferredDuringSchedulingIgnoredDuringExecution: Array.from({ length: random.int(3) }, () => ({
          weight: 1 + random.int(100),
          preference: { matchExpressions: [{ key: "zone", operator: "In", values: [choose(random, zones)] }] },
        })),
      },
    };
  }
  const built = pod(name, { requests, spec });
  const container = built.spec?.containers[0];
  if (container !== undefined && random.int(8) === 0) {
    container.ports = [{
      containerPort: 80,
      hostPort: 8000 + random.int(2),
      ...(random.int(2) === 0 ? { hostIP: `127.0.0.${random.int(2)}` } : {}),
    }];
  }
  return built;
}
