import type { Namespace, NamespaceCondition } from "../../api/gen/types.ts";
import { namespaces } from "../../api/resources.ts";
import { formatTime } from "../../api/time.ts";
import { decide, type Decision, sameJson } from "./action.ts";

/** What a live look at a Terminating namespace found. */
export interface NamespaceView {
  readonly namespace: Readonly<Namespace>;
  /** Objects left, by `resource.group` (`pods.`, `deployments.apps`); none with 0. */
  readonly remaining: ReadonlyMap<string, number>;
  /** Objects left by finalizer they carry. */
  readonly finalizers: ReadonlyMap<string, number>;
  /** Failures of deletions. */
  readonly failures: readonly string[];
}

/** The finalizer in `spec.finalizers` that this controller answers for. */
export const namespaceFinalizer = "kubernetes";

/** Conditions that say what the deletion waits for; `finalize` once nothing is left. @param now ms since the epoch */
export function reconcileNamespace(view: NamespaceView, now: number): Decision & { readonly finalize: boolean } {
  const { namespace, remaining, finalizers, failures } = view;
  if (remaining.size === 0 && failures.length === 0) return { ...decide([]), finalize: true };
  const left = [...remaining].sort().map(([resource, count]) => `${resource} has ${count} resource instances`);
  const held = [...finalizers].sort().map(([name, count]) => `${name} in ${count} resource instances`);
  const wanted: Omit<NamespaceCondition, "lastTransitionTime">[] = [
    {
      type: "NamespaceDeletionDiscoveryFailure",
      status: "False",
      reason: "ResourcesDiscovered",
      message: "All resources successfully discovered",
    },
    {
      type: "NamespaceDeletionGroupVersionParsingFailure",
      status: "False",
      reason: "ParsedGroupVersions",
      message: "All legacy kube types successfully parsed",
    },
    failures.length === 0
      ? {
        type: "NamespaceDeletionContentFailure",
        status: "False",
        reason: "ContentDeleted",
        message: "All content successfully deleted, may be waiting on finalization",
      }
      : {
        type: "NamespaceDeletionContentFailure",
        status: "True",
        reason: "ContentDeletionFailed",
        message: `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(", ")}`,
      },
    left.length === 0
      ? {
        type: "NamespaceContentRemaining",
        status: "False",
        reason: "ContentRemoved",
        message: "All content successfully removed",
      }
      : {
        type: "NamespaceContentRemaining",
        status: "True",
        reason: "SomeResourcesRemain",
        message: `Some resources are remaining: ${left.join(", ")}`,
      },
    held.length === 0
      ? {
        type: "NamespaceFinalizersRemaining",
        status: "False",
        reason: "ContentHasNoFinalizers",
        message: "All content-preserving finalizers finished",
      }
      : {
        type: "NamespaceFinalizersRemaining",
        status: "True",
        reason: "SomeFinalizersRemain",
        message: `Some content in the namespace has finalizers remaining: ${held.join(", ")}`,
      },
  ];
  const before = namespace.status?.conditions ?? [];
  const conditions = wanted.map((condition): NamespaceCondition => {
    const known = before.find((each) => each.type === condition.type);
    const since = known?.status === condition.status ? known.lastTransitionTime : undefined;
    return { ...condition, lastTransitionTime: since ?? formatTime(now) };
  });
  const status = { ...namespace.status, conditions };
  if (sameJson(status, namespace.status)) return { ...decide([]), finalize: false };
  const object: Namespace = { ...namespace, status };
  return { ...decide([{ kind: "updateStatus", info: namespaces, object }]), finalize: false };
}
