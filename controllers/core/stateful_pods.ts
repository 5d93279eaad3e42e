/** A StatefulSet's pods: who they are, and what they are made of. */
import type { ControllerRevision, Pod, PodTemplateSpec, StatefulSet, Volume } from "../../api/gen/types.ts";
import { statefulSets } from "../../api/resources.ts";
import { podFromTemplate } from "./replica_pods.ts";
import { claimName } from "./stateful_claims.ts";

export const podNameLabel = "statefulset.kubernetes.io/pod-name";
const podIndexLabel = "apps.kubernetes.io/pod-index";
/** Holds the name of the pod's ControllerRevision (a DaemonSet's pods have its hash there). */
const revisionLabel = "controller-revision-hash";

/** Larger ordinals are none: upstream reads 32 bits. */
const ordinalMax = 2 ** 31 - 1;

export function firstOrdinal({ spec }: Readonly<StatefulSet>): number {
  return spec?.ordinals?.start ?? 0;
}

export function replicasOf({ spec }: Readonly<StatefulSet>): number {
  return spec?.replicas ?? 1;
}

/** Whether the set as it is asked for now has this ordinal. */
export function isInRange(set: Readonly<StatefulSet>, ordinal: number): boolean {
  return ordinal >= firstOrdinal(set) && ordinal < firstOrdinal(set) + replicasOf(set);
}

/**
 * What `name` says of a pod of this set; undefined when it is none of its names. `web-01` is none, though upstream takes
 * it for another `web-1`: of one ordinal there is one pod.
 */
export function ordinalIn(set: Readonly<StatefulSet>, name: string): number | undefined {
  const prefix = `${set.metadata?.name ?? ""}-`;
  const digits = name.slice(prefix.length);
  if (!name.startsWith(prefix) || !/^(0|[1-9][0-9]{0,9})$/.test(digits)) return undefined;
  const ordinal = Number(digits);
  return ordinal <= ordinalMax ? ordinal : undefined;
}

export function podName(set: Readonly<StatefulSet>, ordinal: number): string {
  return `${set.metadata?.name ?? ""}-${ordinal}`;
}

/** The name of the revision that a pod was made of. */
export function revisionOf(pod: Readonly<Pod>): string {
  return pod.metadata?.labels?.[revisionLabel] ?? "";
}

/** The template that a revision holds; undefined when it holds none, and so brings nothing back. */
export function templateOf({ data }: Readonly<ControllerRevision>): PodTemplateSpec | undefined {
  // Only controllers write revisions, and the server keeps what they hold from being changed: see `templatePatch`.
  const held = data as { readonly spec?: { readonly template?: PodTemplateSpec & { readonly $patch?: string } } };
  if (held?.spec?.template === undefined) return undefined;
  const { $patch: _, ...template } = held.spec.template;
  return template;
}

/** @param revision name of the revision that `template` is of */
export function statefulPod(
  set: Readonly<StatefulSet>,
  ordinal: number,
  template: Readonly<PodTemplateSpec>,
  revision: string,
): Pod {
  const { metadata, spec } = podFromTemplate(statefulSets, set, template);
  const { generateName: _, ...rest } = metadata ?? {};
  const volumes = volumesOf(set, ordinal, spec?.volumes);
  return {
    metadata: {
      ...rest,
      name: podName(set, ordinal),
      labels: { ...rest.labels, ...identityLabels(set, ordinal), [revisionLabel]: revision },
    },
    spec: {
      containers: [],
      ...spec,
      ...(volumes.length === 0 ? {} : { volumes }),
      hostname: podName(set, ordinal),
      // A headless Service of that name gives the pod a name of its own in DNS.
      ...(set.spec?.serviceName ? { subdomain: set.spec.serviceName } : {}),
    },
  };
}

function identityLabels(set: Readonly<StatefulSet>, ordinal: number): Record<string, string> {
  return { [podNameLabel]: podName(set, ordinal), [podIndexLabel]: String(ordinal) };
}

/** The claims' volumes, which take the place of others of their names, then the template's. */
function volumesOf(set: Readonly<StatefulSet>, ordinal: number, others: readonly Volume[] = []): Volume[] {
  const own = (set.spec?.volumeClaimTemplates ?? []).map((template): Volume => ({
    name: template.metadata?.name ?? "",
    persistentVolumeClaim: { claimName: claimName(set, template, ordinal) },
  }));
  return [...own, ...others.filter((other) => !own.some(({ name }) => name === other.name))];
}

/**
 * What a pod lacks of its identity and its volumes, as a merge patch: adopted pods may lack both. The server refuses
 * to change the volumes of a pod; upstream asks all the same, and its users see why in an Event.
 */
export function missingIdentity(
  set: Readonly<StatefulSet>,
  ordinal: number,
  { metadata, spec }: Readonly<Pod>,
): Record<string, unknown> | undefined {
  const named = metadata?.labels?.[podNameLabel] === podName(set, ordinal);
  const stored = hasVolumes(set, ordinal, spec?.volumes);
  if (named && stored) return undefined;
  return {
    ...(named ? {} : { metadata: { labels: identityLabels(set, ordinal) } }),
    ...(stored ? {} : { spec: { volumes: volumesOf(set, ordinal, spec?.volumes) } }),
  };
}

function hasVolumes(set: Readonly<StatefulSet>, ordinal: number, volumes: readonly Volume[] = []): boolean {
  return (set.spec?.volumeClaimTemplates ?? []).every((template) =>
    volumes.some(({ name, persistentVolumeClaim }) =>
      name === template.metadata?.name && persistentVolumeClaim?.claimName === claimName(set, template, ordinal)
    )
  );
}
