import type { APIService } from "../../api/gen/types.ts";
import { equalJson } from "../../api/json_value.ts";
import type { KubeObject } from "../../api/meta.ts";
import { apiServices, served } from "../../api/resources.ts";
import { localApiServiceCondition } from "../../api/rules/mod.ts";
import { formatTime } from "../../api/time.ts";
import { localPriority, registrationGroup } from "../discovery/priorities.ts";
import type { DefaultObject } from "../bootstrap/default_objects.ts";

/** Whose APIService this is: `onstart` of a built-in group version, `true` of one that definitions bring and take. */
export const managedLabel = "kube-aggregator.kubernetes.io/automanaged";

export interface LocalVersion {
  readonly group: string;
  readonly version: string;
  /** Definitions brought it. */
  readonly dynamic: boolean;
}

/** `v1.apps`; the core group's is `v1.`. */
export function apiServiceName({ group, version }: { readonly group: string; readonly version: string }): string {
  return `${version}.${group}`;
}

/** @param now unix ms */
export function localApiService(it: LocalVersion, now: number): APIService {
  const { group, version, dynamic } = it;
  const priority = localPriority(group, version, dynamic);
  return {
    apiVersion: "apiregistration.k8s.io/v1",
    kind: "APIService",
    metadata: { name: apiServiceName(it), labels: { [managedLabel]: dynamic ? "true" : "onstart" } },
    spec: {
      ...(group === "" ? {} : { group }),
      version,
      groupPriorityMinimum: priority.group,
      versionPriority: priority.version,
    },
    status: { conditions: [{ ...localApiServiceCondition, lastTransitionTime: formatTime(now) }] },
  };
}

/** Whether `present` says of a local group version what it should. */
export function isAsWanted(present: APIService, wanted: APIService): boolean {
  return equalJson(present.spec, wanted.spec) &&
    present.metadata?.labels?.[managedLabel] === wanted.metadata?.labels?.[managedLabel];
}

/** The built-in group versions' APIServices, which every cluster has. */
export function defaultApiServices(now: number): DefaultObject[] {
  const names = new Map(served.map(({ group, version }) => [`${group}/${version}`, { group, version }]));
  return [...names.values()].filter(({ group }) => group !== registrationGroup).map((it) => {
    const wanted = localApiService({ ...it, dynamic: false }, now);
    return {
      info: apiServices,
      namespace: "",
      name: apiServiceName(it),
      wanted: (present: KubeObject | null) =>
        present === null || !isAsWanted(present as APIService, wanted)
          ? { ...present, ...wanted, ...kept(present, wanted) }
          : null,
    };
  });
}

/** What is there keeps its identity. */
function kept(present: KubeObject | null, wanted: APIService): KubeObject {
  if (present === null) return {};
  const labels = { ...present.metadata?.labels, ...wanted.metadata?.labels };
  return { metadata: { ...present.metadata, labels } };
}
