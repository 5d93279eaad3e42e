/** What the controllers that make pods of a template have in common. */
import type { Pod, PodTemplateSpec } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { isPodAvailable, isPodReady, podCondition } from "../../api/pods.ts";
import { pods as podsInfo, type ResourceInfo } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { type Action, announcer, sooner } from "./action.ts";
import { controllerReference } from "./claim.ts";

/** A pod of the owner's template, to be named by the server. */
export function podFromTemplate(
  info: ResourceInfo,
  owner: Readonly<KubeObject>,
  { metadata, spec }: Readonly<PodTemplateSpec>,
): Pod {
  return {
    metadata: {
      generateName: `${owner.metadata?.name ?? ""}-`,
      ...(owner.metadata?.namespace === undefined ? {} : { namespace: owner.metadata.namespace }),
      ...(metadata?.labels === undefined ? {} : { labels: metadata.labels }),
      ...(metadata?.annotations === undefined ? {} : { annotations: metadata.annotations }),
      ...(metadata?.finalizers === undefined ? {} : { finalizers: metadata.finalizers }),
      ownerReferences: [controllerReference(info, owner)],
    },
    ...(spec === undefined ? {} : { spec }),
  };
}

/** Makes pods, in upstream's words to the owner's users. */
export function podCreation(info: ResourceInfo, owner: Readonly<KubeObject>, objects: readonly Pod[]): Action {
  const announce = announcer(info, owner);
  return {
    kind: "createMany",
    info: podsInfo,
    objects,
    done: announce("Normal", "SuccessfulCreate", "Created pod: {name}"),
    failed: announce("Warning", "FailedCreate", "Error creating: {error}"),
  };
}

/** As {@linkcode podCreation}. */
export function podDeletion(
  info: ResourceInfo,
  owner: Readonly<KubeObject>,
  objects: readonly Readonly<Pod>[],
): Action {
  const announce = announcer(info, owner);
  return {
    kind: "delete",
    info: podsInfo,
    objects,
    done: announce("Normal", "SuccessfulDelete", "Deleted pod: {name}"),
    failed: announce("Warning", "FailedDelete", "Error deleting: {error}"),
  };
}

/** Milliseconds until the next ready pod has been ready for `minReadySeconds`. */
export function nextAvailable(
  pods: readonly Readonly<Pod>[],
  minReadySeconds: number,
  now: number,
): number | undefined {
  if (minReadySeconds === 0) return undefined;
  let wait: number | undefined;
  for (const pod of pods) {
    if (!isPodReady(pod) || isPodAvailable(pod, minReadySeconds, now)) continue;
    const since = parseTime(podCondition(pod, "Ready")?.lastTransitionTime ?? "");
    if (since !== undefined) wait = sooner(wait, since + minReadySeconds * 1000 - now);
  }
  return wait;
}
