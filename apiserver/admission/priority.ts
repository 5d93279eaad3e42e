import type { PriorityClass } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { pods, priorityClasses } from "../../api/resources.ts";
import { forbidden } from "../../api/status.ts";
import { dig, record, text } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { keyOf, readCurrent } from "../registry/write.ts";

interface Priority {
  readonly className: string;
  readonly value: number;
  readonly preemptionPolicy: string;
}

const none: Priority = { className: "", value: 0, preemptionPolicy: "PreemptLowerPriority" };

/** Turns spec.priorityClassName into spec.priority and spec.preemptionPolicy; without one, the default class counts. */
export async function setPriority(registry: Registry, pod: KubeObject): Promise<void> {
  const spec = record(dig(pod, "spec"));
  const name = pod.metadata?.name ?? "";
  const className = text(spec["priorityClassName"]);
  const priority = className === "" ? defaultPriority(registry) : await classNamed(registry, className);
  if (priority === null) throw forbidden(pods, name, `no PriorityClass with name ${className} was found`);
  const { value, preemptionPolicy } = priority;
  if (priority.className !== "") spec["priorityClassName"] = priority.className;
  const given = spec["priority"];
  if (given !== undefined && given !== value) {
    const why = `the integer value of priority (${given}) must not be provided in pod spec; ` +
      `priority admission controller computed ${value} from the given PriorityClass name`;
    throw forbidden(pods, name, why);
  }
  const givenPolicy = spec["preemptionPolicy"];
  if (givenPolicy !== undefined && givenPolicy !== preemptionPolicy) {
    const why = `the string value of PreemptionPolicy (${givenPolicy}) must not be provided in pod spec; ` +
      `priority admission controller computed ${preemptionPolicy} from the given PriorityClass name`;
    throw forbidden(pods, name, why);
  }
  spec["priority"] = value;
  spec["preemptionPolicy"] = preemptionPolicy;
}

async function classNamed(registry: Registry, name: string): Promise<Priority | null> {
  const strategy = registry.strategy(priorityClasses);
  const cached = strategy.cache.get("", name);
  const object = cached === undefined ? (await readCurrent(registry, keyOf(strategy, "", name))).object : cached.parsed;
  return object === null ? null : priorityOf(object as PriorityClass);
}

function priorityOf({ metadata, value, preemptionPolicy }: PriorityClass): Priority {
  return {
    className: metadata?.name ?? "",
    value: value ?? 0,
    preemptionPolicy: preemptionPolicy ?? none.preemptionPolicy,
  };
}

/** Of several defaults (which two servers could have let in), the lowest. */
function defaultPriority(registry: Registry): Priority {
  const defaults = registry.strategy(priorityClasses).cache.list("")
    .map((cached) => cached.parsed as PriorityClass)
    .filter((it) => it.globalDefault === true)
    .sort((a, b) => (a.value ?? 0) - (b.value ?? 0));
  return defaults[0] === undefined ? none : priorityOf(defaults[0]);
}

/** There is one default class at most. */
export function checkPriorityClass(registry: Registry, object: KubeObject): void {
  if ((object as PriorityClass).globalDefault !== true) return;
  const name = object.metadata?.name ?? "";
  const { className } = defaultPriority(registry);
  if (className === "" || className === name) return;
  const why = `PriorityClass ${className} is already marked as default. Only one default can exist`;
  throw forbidden(priorityClasses, name, why);
}
