import type { FlowcontrolV1Subject, FlowSchemaSpec, PriorityLevelConfigurationSpec } from "../../api/gen/types.ts";

type Subject = FlowcontrolV1Subject;

/** A configuration object that every cluster has. */
export interface DefaultFlow<Spec> {
  readonly name: string;
  /** Always as it is here; the others may be made the administrator's own. */
  readonly mandatory: boolean;
  readonly spec: Spec;
}

function limited(
  name: string,
  shares: number,
  lendablePercent: number,
  queues: number,
  handSize: number,
): DefaultFlow<PriorityLevelConfigurationSpec> {
  return {
    name,
    mandatory: false,
    spec: {
      type: "Limited",
      limited: {
        nominalConcurrencyShares: shares,
        lendablePercent,
        limitResponse: { type: "Queue", queuing: { queues, handSize, queueLengthLimit: 50 } },
      },
    },
  };
}

/** @see kubernetes staging/src/k8s.io/api/flowcontrol, apiserver/pkg/apis/flowcontrol/bootstrap; KEP-1040 */
export const defaultLevels: readonly DefaultFlow<PriorityLevelConfigurationSpec>[] = [
  {
    name: "exempt",
    mandatory: true,
    spec: { type: "Exempt", exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  },
  {
    name: "catch-all",
    mandatory: true,
    spec: {
      type: "Limited",
      limited: { nominalConcurrencyShares: 5, lendablePercent: 0, limitResponse: { type: "Reject" } },
    },
  },
  limited("system", 30, 33, 64, 6),
  limited("node-high", 40, 25, 64, 6),
  limited("leader-election", 10, 0, 16, 4),
  limited("workload-high", 40, 50, 128, 6),
  limited("workload-low", 100, 90, 128, 6),
  limited("global-default", 20, 50, 128, 6),
];

const user = (name: string): Subject => ({ kind: "User", user: { name } });
const group = (name: string): Subject => ({ kind: "Group", group: { name } });
const account = (name: string): Subject => ({
  kind: "ServiceAccount",
  serviceAccount: { name, namespace: "kube-system" },
});

type Rules = NonNullable<FlowSchemaSpec["rules"]>[number];
type ResourceRules = NonNullable<Rules["resourceRules"]>[number];

function resources(verbs: string, apiGroups: string, names: string, clusterScope = false): ResourceRules {
  return {
    verbs: verbs.split(" "),
    apiGroups: apiGroups.split(" ").map((it) => it === "core" ? "" : it),
    resources: names.split(" "),
    ...(clusterScope ? { clusterScope } : {}),
    namespaces: ["*"],
  };
}

const everyResource = resources("*", "*", "*", true);
const everyPath = { verbs: ["*"], nonResourceURLs: ["*"] };
const everything = { resourceRules: [everyResource], nonResourceRules: [everyPath] };

interface Schema {
  readonly name: string;
  readonly precedence: number;
  readonly level: string;
  readonly by: "ByUser" | "ByNamespace" | "";
  readonly mandatory?: true;
  readonly subjects: Subject[];
  readonly rules?: Omit<Rules, "subjects">;
}

function schema(
  { name, precedence, level, by, mandatory, subjects, rules = everything }: Schema,
): DefaultFlow<FlowSchemaSpec> {
  return {
    name,
    mandatory: mandatory ?? false,
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by === "" ? {} : { distinguisherMethod: { type: by } }),
      rules: [{ subjects, ...rules }],
    },
  };
}

const manager = user("system:kube-controller-manager");
const scheduler = user("system:kube-scheduler");
const nodes = group("system:nodes");
const everyone = [group("system:unauthenticated"), group("system:authenticated")];
const leases = { resourceRules: [resources("get create update", "coordination.k8s.io", "leases")] };

export const defaultSchemas: readonly DefaultFlow<FlowSchemaSpec>[] = [
  {
    name: "exempt",
    precedence: 1,
    level: "exempt",
    by: "" as const,
    mandatory: true as const,
    subjects: [group("system:masters")],
  },
  {
    name: "probes",
    precedence: 2,
    level: "exempt",
    by: "" as const,
    subjects: everyone,
    rules: { nonResourceRules: [{ verbs: ["get"], nonResourceURLs: ["/healthz", "/readyz", "/livez"] }] },
  },
  {
    name: "system-leader-election",
    precedence: 100,
    level: "leader-election",
    by: "ByUser" as const,
    subjects: [manager, scheduler, account("*")],
    rules: leases,
  },
  {
    name: "endpoint-controller",
    precedence: 150,
    level: "workload-high",
    by: "ByUser" as const,
    subjects: [manager, account("endpoint-controller"), account("endpointslicemirroring-controller")],
    rules: { resourceRules: [resources("get create update", "core", "endpoints")] },
  },
  {
    name: "workload-leader-election",
    precedence: 200,
    level: "leader-election",
    by: "ByUser" as const,
    subjects: [account("*")],
    rules: leases,
  },
  {
    name: "system-node-high",
    precedence: 400,
    level: "node-high",
    by: "ByUser" as const,
    subjects: [nodes],
    rules: {
      resourceRules: [
        resources("*", "core", "nodes nodes/status", true),
        resources("*", "coordination.k8s.io", "leases"),
      ],
    },
  },
  { name: "system-nodes", precedence: 500, level: "system", by: "ByUser" as const, subjects: [nodes] },
  {
    name: "kube-controller-manager",
    precedence: 800,
    level: "workload-high",
    by: "ByNamespace" as const,
    subjects: [manager],
  },
  {
    name: "kube-scheduler",
    precedence: 800,
    level: "workload-high",
    by: "ByNamespace" as const,
    subjects: [scheduler],
  },
  {
    name: "kube-system-service-accounts",
    precedence: 900,
    level: "workload-high",
    by: "ByNamespace" as const,
    subjects: [account("*")],
  },
  {
    name: "service-accounts",
    precedence: 9000,
    level: "workload-low",
    by: "ByUser" as const,
    subjects: [group("system:serviceaccounts")],
  },
  { name: "global-default", precedence: 9900, level: "global-default", by: "ByUser" as const, subjects: everyone },
  {
    name: "catch-all",
    precedence: 10_000,
    level: "catch-all",
    by: "ByUser" as const,
    mandatory: true as const,
    subjects: everyone,
  },
].map(schema);
