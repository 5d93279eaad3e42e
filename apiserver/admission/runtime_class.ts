import type { Pod, RuntimeClass, Toleration } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { compareQuantities, parseQuantity } from "../../api/quantity.ts";
import { pods, runtimeClasses } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { equalJson } from "../equal.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";

/**
 * A pod of a RuntimeClass gets its overhead, node selector and tolerations; one without may not claim overhead.
 * @see KEP-585, KEP-688
 */
export async function setRuntimeClass(registry: Registry, object: KubeObject): Promise<void> {
  const pod = object as Pod;
  const { spec } = pod;
  if (spec === undefined) return;
  const refuse = (why: string) => forbidden(pods, pod.metadata?.name ?? "", why);
  const name = spec.runtimeClassName;
  const runtimeClass = name === undefined ? null : await find(registry, name);
  if (name !== undefined && runtimeClass === null) throw refuse(`pod rejected: RuntimeClass "${name}" not found`);
  const overhead = runtimeClass?.overhead?.podFixed;
  if (overhead === undefined) {
    if (spec.overhead === undefined) return addScheduling(pod, runtimeClass);
    throw refuse("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead");
  }
  if (spec.overhead !== undefined && !sameAmounts(spec.overhead, overhead)) {
    throw refuse("pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  spec.overhead = { ...overhead };
  addScheduling(pod, runtimeClass);
}

async function find(registry: Registry, name: string): Promise<RuntimeClass | null> {
  const strategy = registry.strategy(runtimeClasses);
  const cached = strategy.cache.get("", name);
  const object = cached === undefined
    ? (await readCurrent(registry, keyOf(strategy, "", name))).object
    : parseCached(cached);
  return object as RuntimeClass | null;
}

function sameAmounts(a: Record<string, string>, b: Record<string, string>): boolean {
  const names = Object.keys(a);
  return names.length === Object.keys(b).length && names.every((name) => {
    const [left, right] = [a[name], b[name]];
    return left !== undefined && right !== undefined &&
      compareQuantities(parseQuantity(left), parseQuantity(right)) === 0;
  });
}

function addScheduling(pod: Pod, runtimeClass: RuntimeClass | null): void {
  const scheduling = runtimeClass?.scheduling;
  if (scheduling === undefined || pod.spec === undefined) return;
  const selector: Record<string, string> = { ...pod.spec.nodeSelector };
  for (const [key, value] of Object.entries(scheduling.nodeSelector ?? {})) {
    const own = selector[key];
    if (own !== undefined && own !== value) {
      const why = `conflict: runtimeClass.scheduling.nodeSelector[${key}] = ${value}; ` +
        `pod.spec.nodeSelector[${key}] = ${own}`;
      throw forbidden(pods, pod.metadata?.name ?? "", why);
    }
    selector[key] = value;
  }
  if (Object.keys(selector).length > 0) pod.spec.nodeSelector = selector;
  const tolerations: Toleration[] = [...pod.spec.tolerations ?? []];
  for (const toleration of scheduling.tolerations ?? []) {
    if (!tolerations.some((it) => equalJson(it, toleration))) tolerations.push(toleration);
  }
  if (tolerations.length > 0) pod.spec.tolerations = tolerations;
}
