import type { Container, Pod, PodSpec } from "../../api/gen/types.ts";
import { isSidecar } from "../../api/pods.ts";
import type { ObservedContainer, ObservedPod, ObservedSandbox } from "./types.ts";

/** The newest instance of the container by that name. */
export function latestOf(observed: ObservedPod, name: string): ObservedContainer | undefined {
  let latest: ObservedContainer | undefined;
  for (const each of observed.containers) {
    if (each.name === name && (latest === undefined || each.attempt > latest.attempt)) latest = each;
  }
  return latest;
}

/** The instance before the newest. */
export function previousOf(observed: ObservedPod, latest: ObservedContainer): ObservedContainer | undefined {
  let previous: ObservedContainer | undefined;
  for (const each of observed.containers) {
    if (each.name !== latest.name || each.attempt >= latest.attempt) continue;
    if (previous === undefined || each.attempt > previous.attempt) previous = each;
  }
  return previous;
}

export function currentSandbox(observed: ObservedPod): ObservedSandbox | undefined {
  return observed.sandboxes.find((sandbox) => sandbox.state === "ready");
}

/** `name_namespace(uid)`, as the kubelet names pods in messages. */
export function podText(pod: Readonly<Pod>): string {
  return `${pod.metadata?.name}_${pod.metadata?.namespace}(${pod.metadata?.uid})`;
}

export function restartPolicyOf(spec: Readonly<PodSpec>): "Always" | "OnFailure" | "Never" {
  const policy = spec.restartPolicy;
  return policy === "OnFailure" || policy === "Never" ? policy : "Always";
}

/** Whether a container that ended with this code starts again. */
export function restartsAfter(spec: Readonly<PodSpec>, container: Readonly<Container>, exitCode: number): boolean {
  if (isSidecar(container)) return true;
  const policy = restartPolicyOf(spec);
  return policy === "Always" || (policy === "OnFailure" && exitCode !== 0);
}

/** Whether any of the ordinary containers has ever been made: then the init containers are behind us. */
export function pastInit(spec: Readonly<PodSpec>, observed: ObservedPod): boolean {
  const names = new Set((spec.containers ?? []).map((container) => container.name));
  return observed.containers.some((each) => names.has(each.name));
}
