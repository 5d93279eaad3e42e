import type { Container, Pod } from "../../api/gen/types.ts";
import { podRequests } from "../../api/pods.ts";
import {
  addQuantities,
  compareQuantities,
  integerValue,
  milliValue,
  parseQuantity,
  type Quantity,
  quantityFromInteger,
  subtractQuantities,
  tryParseQuantity,
} from "../../api/quantity.ts";

/**
 * A container's limit or request as the downward API gives it: divided, rounded up. A limit that is not set is the
 * node's allocatable amount. Null for a resource that is not offered or a divisor that is not a quantity.
 */
export function resourceFieldText(
  container: Readonly<Container>,
  resource: string,
  divisor: string,
  allocatable: Readonly<Record<string, string>>,
): string | null {
  const match = /^(limits|requests)\.(cpu|memory|ephemeral-storage|hugepages-.+)$/.exec(resource);
  if (match === null) return null;
  const name = match[2] ?? "";
  const text = match[1] === "limits"
    ? container.resources?.limits?.[name] ?? allocatable[name]
    : container.resources?.requests?.[name];
  const amount = tryParseQuantity(text ?? "0");
  const by = tryParseQuantity(divisor === "0" || divisor === "" ? "1" : divisor);
  if (amount === undefined || by === undefined || by.nanos <= 0n) return null;
  return String((amount.nanos + by.nanos - 1n) / by.nanos);
}

export interface Rejection {
  readonly reason: string;
  readonly message: string;
}

/**
 * Whether the node has room for `pod` beside `others` (those that run or have been admitted). The reasons and words are
 * the kubelet's own: `OutOfcpu`, `OutOfpods`, ...
 */
export function admit(
  pod: Readonly<Pod>,
  others: readonly Readonly<Pod>[],
  allocatable: Readonly<Record<string, string>>,
): Rejection | null {
  const capacity = Number(allocatable.pods ?? "110");
  if (others.length + 1 > capacity) return outOf("pods", 1, others.length, capacity);
  const requests = podRequests(pod);
  for (const name of [...requests.keys()].sort()) {
    const wanted = requests.get(name);
    if (wanted === undefined || wanted.nanos <= 0n) continue;
    const total = parseQuantity(allocatable[name] ?? "0");
    let used: Quantity = quantityFromInteger(0);
    for (const other of others) {
      const each = podRequests(other).get(name);
      if (each !== undefined) used = addQuantities(used, each);
    }
    if (compareQuantities(wanted, subtractQuantities(total, used)) > 0) {
      const value = name === "cpu" ? milliValue : integerValue;
      return outOf(name, value(wanted), value(used), value(total));
    }
  }
  return null;
}

function outOf(resource: string, requested: number, used: number, capacity: number): Rejection {
  return {
    reason: `OutOf${resource}`,
    message:
      `Pod was rejected: Node didn't have enough resource: ${resource}, requested: ${requested}, used: ${used}, ` +
      `capacity: ${capacity}`,
  };
}
