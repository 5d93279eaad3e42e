/** How a group version ranks among others: groups by `group`, versions of one group by `version`, the higher first. */
export interface Priority {
  readonly group: number;
  readonly version: number;
}

/** @see kubernetes pkg/controlplane/apiserver/aggregator.go, pkg/controlplane/instance.go */
const builtin: ReadonlyMap<string, Priority> = new Map(
  ([
    ["/v1", 18_000, 1],
    ["apps/v1", 17_800, 15],
    ["events.k8s.io/v1", 17_750, 15],
    ["authentication.k8s.io/v1", 17_700, 15],
    ["authorization.k8s.io/v1", 17_600, 15],
    ["autoscaling/v2", 17_500, 30],
    ["autoscaling/v1", 17_500, 15],
    ["batch/v1", 17_400, 15],
    ["certificates.k8s.io/v1", 17_300, 15],
    ["certificates.k8s.io/v1beta1", 17_300, 9],
    ["networking.k8s.io/v1", 17_200, 15],
    ["policy/v1", 17_100, 15],
    ["rbac.authorization.k8s.io/v1", 17_000, 15],
    ["storage.k8s.io/v1", 16_800, 15],
    ["admissionregistration.k8s.io/v1", 16_700, 15],
    ["apiextensions.k8s.io/v1", 16_700, 15],
    ["scheduling.k8s.io/v1", 16_600, 15],
    ["coordination.k8s.io/v1", 16_500, 15],
    ["node.k8s.io/v1", 16_300, 15],
    ["discovery.k8s.io/v1", 16_200, 15],
    ["flowcontrol.apiserver.k8s.io/v1", 16_100, 21],
    ["internal.apiserver.k8s.io/v1alpha1", 16_000, 9],
    ["resource.k8s.io/v1", 15_900, 15],
    ["storagemigration.k8s.io/v1beta1", 15_800, 9],
  ] as const).map(([name, group, version]) => [name, { group, version }]),
);

/** What serves the APIServices is not an APIService itself, and comes before them all. */
export const registrationGroup = "apiregistration.k8s.io";
const custom: Priority = { group: 1000, version: 100 };
const first: Priority = { group: 100_000, version: 15 };
const otherBuiltin: Priority = { group: 15_700, version: 9 };

/** Of a group version that this server serves. @param dynamic a CustomResourceDefinition brought it */
export function localPriority(group: string, version: string, dynamic: boolean): Priority {
  if (group === registrationGroup) return first;
  return builtin.get(`${group}/${version}`) ?? (dynamic ? custom : otherBuiltin);
}
