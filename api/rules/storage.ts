/** Volumes, claims and classes. @see kubernetes pkg/apis/core/v1/defaults.go, pkg/apis/storage/v1/defaults.go */
import { type FieldError, forbidden, required } from "../field_errors.ts";
import type {
  CSIDriver,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  StorageClass,
} from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { persistentVolumeClaims, persistentVolumes } from "../resources.ts";
import { oneOf, unset } from "./common.ts";
import { immutable } from "./meta.ts";
import { type SchemaRuleOptions, schemaRules } from "./schema_rules.ts";
import type { Rules } from "./types.ts";
import { specOf } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asClaim = (object: KubeObject): PersistentVolumeClaim => object as PersistentVolumeClaim;
const asVolume = (object: KubeObject): PersistentVolume => object as PersistentVolume;
const asClass = (object: KubeObject): StorageClass => object as StorageClass;

const accessModes = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

export function defaultClaimSpec(spec: PersistentVolumeClaimSpec): void {
  if (unset(spec.volumeMode)) spec.volumeMode = "Filesystem";
}

function validateModes(modes: readonly string[] | undefined): FieldError[] {
  const errors = (modes ?? []).flatMap((mode) => oneOf(mode, "spec.accessModes", accessModes));
  return (modes ?? []).length === 0 ? [required("spec.accessModes", "at least 1 access mode is required")] : errors;
}

const claimBase = schemaRules(persistentVolumeClaims, {
  setDefaults: (object) => defaultClaimSpec(asClaim(object).spec ??= {}),
  check(object) {
    const spec = asClaim(object).spec ?? {};
    const errors = validateModes(spec.accessModes);
    if (spec.resources?.requests?.["storage"] === undefined) errors.push(required("spec.resources[storage]"));
    errors.push(...oneOf(spec.volumeMode, "spec.volumeMode", ["Block", "Filesystem"]));
    return errors;
  },
  checkUpdate(next, old) {
    const now = asClaim(next).spec ?? {};
    const before = asClaim(old).spec ?? {};
    const bound = asClaim(old).status?.phase === "Bound";
    const fixed = (spec: PersistentVolumeClaimSpec) => {
      const { volumeName: _volumeName, resources, volumeAttributesClassName, ...rest } = spec;
      const { requests: _requests, ...otherResources } = resources ?? {};
      return { rest, otherResources, ...(bound ? {} : { volumeAttributesClassName, resources }) };
    };
    const binds = unset(before.volumeName) || before.volumeName === now.volumeName;
    if (binds && equalJson(fixed(now), fixed(before))) return [];
    const text = "spec is immutable after creation except resources.requests and volumeAttributesClassName " +
      "for bound claims";
    return [forbidden("spec", text)];
  },
});

export const claimRules: Rules = {
  ...claimBase,
  prepareForCreate: (object) => void (asClaim(object).status = { phase: "Pending" }),
};

const volumeBase = schemaRules(persistentVolumes, {
  setDefaults(object) {
    const spec = specOf(asVolume(object));
    if (unset(spec.persistentVolumeReclaimPolicy)) spec.persistentVolumeReclaimPolicy = "Retain";
    if (unset(spec.volumeMode)) spec.volumeMode = "Filesystem";
    if (spec.hostPath !== undefined) spec.hostPath.type ??= "";
  },
  check(object) {
    const spec: PersistentVolumeSpec = asVolume(object).spec ?? {};
    const errors = validateModes(spec.accessModes);
    if (Object.keys(spec.capacity ?? {}).length === 0) errors.push(required("spec.capacity"));
    else if (spec.capacity?.["storage"] === undefined) errors.push(required("spec.capacity[storage]"));
    const policies = ["Delete", "Recycle", "Retain"];
    errors.push(...oneOf(spec.persistentVolumeReclaimPolicy, "spec.persistentVolumeReclaimPolicy", policies));
    const sources = Object.keys(sourceOf(spec));
    if (sources.length === 0) errors.push(required("spec", "must specify a volume type"));
    for (const extra of sources.slice(1)) {
      errors.push(forbidden(`spec.${extra}`, "may not specify more than 1 volume type"));
    }
    return errors;
  },
  checkUpdate(next, old) {
    const now = sourceOf(asVolume(next).spec ?? {});
    if (equalJson(now, sourceOf(asVolume(old).spec ?? {}))) {
      return immutable(asVolume(next).spec?.volumeMode, asVolume(old).spec?.volumeMode, "spec.volumeMode");
    }
    return [forbidden("spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation")];
  },
});

export const volumeRules: Rules = {
  ...volumeBase,
  prepareForCreate: (object) => void (asVolume(object).status = { phase: "Pending" }),
};

/** What is left of a volume's spec without the fields that every volume has: where its data are. */
function sourceOf(spec: PersistentVolumeSpec): Partial<PersistentVolumeSpec> {
  const {
    accessModes: _accessModes,
    capacity: _capacity,
    claimRef: _claimRef,
    mountOptions: _mountOptions,
    nodeAffinity: _nodeAffinity,
    persistentVolumeReclaimPolicy: _reclaim,
    storageClassName: _class,
    volumeAttributesClassName: _attributes,
    volumeMode: _mode,
    ...source
  } = spec;
  return source;
}

export const storageClassOptions: SchemaRuleOptions = {
  setDefaults(object) {
    const it = asClass(object);
    if (unset(it.reclaimPolicy)) it.reclaimPolicy = "Delete";
    if (unset(it.volumeBindingMode)) it.volumeBindingMode = "Immediate";
  },
  check: (object) => [
    ...oneOf(asClass(object).reclaimPolicy, "reclaimPolicy", ["Delete", "Retain"]),
    ...oneOf(asClass(object).volumeBindingMode, "volumeBindingMode", ["Immediate", "WaitForFirstConsumer"]),
  ],
  checkUpdate(next, old) {
    const errors: FieldError[] = [];
    for (const name of ["parameters", "provisioner", "reclaimPolicy"] as const) {
      const same = equalJson(asClass(next)[name], asClass(old)[name]);
      if (!same) errors.push(forbidden(name, `updates to ${name} are forbidden.`));
    }
    errors.push(...immutable(asClass(next).volumeBindingMode, asClass(old).volumeBindingMode, "volumeBindingMode"));
    return errors;
  },
};

export const csiDriverOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(object as CSIDriver);
    spec.attachRequired ??= true;
    spec.podInfoOnMount ??= false;
    spec.storageCapacity ??= false;
    spec.fsGroupPolicy ??= "ReadWriteOnceWithFSType";
    spec.requiresRepublish ??= false;
    spec.seLinuxMount ??= false;
    if ((spec.volumeLifecycleModes ?? []).length === 0) spec.volumeLifecycleModes = ["Persistent"];
  },
};
