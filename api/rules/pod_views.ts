/**
 * The sub-resources that change one part of a running pod: `resize` and `ephemeralcontainers`.
 * @see KEP-1287 (in-place update), KEP-277 (ephemeral containers); kubernetes pkg/registry/core/pod/strategy.go
 */
import { type FieldError, forbidden, invalid } from "../field_errors.ts";
import type { Container, Pod, PodSpec, ResourceRequirements } from "../gen/types.ts";
import { clone, equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { podQosClass } from "../qos.ts";
import { validateMetaUpdate } from "./meta.ts";
import { validatePodSpec } from "./pod_spec.ts";
import type { ViewRules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema that Pod was made from.
const asPod = (object: KubeObject): Pod => object as Pod;

/** The pod as it was, under the new one's version and owners of fields, with the part of the spec that may change. */
function keepAllBut(next: Pod, old: Pod, change: (spec: PodSpec, wanted: PodSpec) => void): void {
  const wanted = next.spec ?? { containers: [] };
  const { resourceVersion, managedFields } = next.metadata ?? {};
  const spec = clone(old.spec ?? { containers: [] });
  change(spec, wanted);
  const generation = old.metadata?.generation ?? 0;
  next.metadata = {
    ...clone(old.metadata ?? {}),
    generation: equalJson(spec, old.spec) ? generation : generation + 1,
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(managedFields === undefined ? {} : { managedFields }),
  };
  next.spec = spec;
  if (old.status === undefined) delete next.status;
  else next.status = clone(old.status);
}

function copyResources(containers: readonly Container[] | undefined, wanted: readonly Container[] | undefined): void {
  for (const container of containers ?? []) {
    const same = wanted?.find((each) => each.name === container.name);
    if (same === undefined) continue;
    if (same.resources === undefined) delete container.resources;
    else container.resources = clone(same.resources);
    if (same.resizePolicy !== undefined) container.resizePolicy = clone(same.resizePolicy);
  }
}

const resizable: ReadonlySet<string> = new Set(["cpu", "memory"]);

function validateResources(
  next: ResourceRequirements | undefined,
  old: ResourceRequirements | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const list of ["requests", "limits"] as const) {
    const [now, before] = [next?.[list] ?? {}, old?.[list] ?? {}];
    for (const name of new Set([...Object.keys(before), ...Object.keys(now)])) {
      if (now[name] === before[name]) continue;
      if (!resizable.has(name)) errors.push(forbidden(path, "only cpu and memory resources are mutable"));
      else if (now[name] === undefined) errors.push(forbidden(path, `resource ${list} cannot be removed`));
    }
  }
  return errors;
}

function validateResize(next: Pod, old: Pod): FieldError[] {
  const errors = [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validatePodSpec(next.spec, "spec", true),
  ];
  if (podQosClass(next) !== (old.status?.qosClass ?? podQosClass(old))) {
    errors.push(invalid("spec", podQosClass(next), "Pod QOS Class may not change as a result of resizing"));
  }
  for (const list of ["containers", "initContainers"] as const) {
    for (const [i, container] of (next.spec?.[list] ?? []).entries()) {
      const before = old.spec?.[list]?.[i];
      const path = `spec.${list}[${i}].resources`;
      errors.push(...validateResources(container.resources, before?.resources, path));
      if (list === "initContainers" && container.restartPolicy !== "Always") {
        if (!equalJson(container.resources, before?.resources)) {
          errors.push(forbidden(path, "only sidecar containers may be resized"));
        }
      }
    }
  }
  return errors;
}

/** Ephemeral containers are added; what there is stays as it is. */
function validateEphemeral(next: Pod, old: Pod): FieldError[] {
  const errors = [...validateMetaUpdate(next.metadata, old.metadata), ...validatePodSpec(next.spec, "spec", true)];
  const path = "spec.ephemeralContainers";
  const now = next.spec?.ephemeralContainers ?? [];
  for (const [i, before] of (old.spec?.ephemeralContainers ?? []).entries()) {
    const at = now.findIndex((each) => each.name === before.name);
    if (at < 0) {
      errors.push(forbidden(path, `existing ephemeral containers ${JSON.stringify(before.name)} may not be removed\n`));
    } else if (!equalJson(now[at], before)) {
      const text = `existing ephemeral containers ${JSON.stringify(before.name)} may not be changed\n`;
      errors.push(forbidden(`${path}[${i}]`, text));
    }
  }
  return errors;
}

export const podViews: Readonly<Record<"ephemeralcontainers" | "resize", ViewRules>> = {
  ephemeralcontainers: {
    prepare: (next, old) =>
      keepAllBut(asPod(next), asPod(old), (spec, { ephemeralContainers }) => {
        if (ephemeralContainers === undefined) delete spec.ephemeralContainers;
        else spec.ephemeralContainers = clone(ephemeralContainers);
      }),
    validate: (next, old) => validateEphemeral(asPod(next), asPod(old)),
  },
  resize: {
    prepare: (next, old) =>
      keepAllBut(asPod(next), asPod(old), (spec, wanted) => {
        copyResources(spec.containers, wanted.containers);
        copyResources(spec.initContainers, wanted.initContainers);
      }),
    validate: (next, old) => validateResize(asPod(next), asPod(old)),
  },
};
