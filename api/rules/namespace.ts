/** Namespaces. */
import { type FieldError, invalid } from "../field_errors.ts";
import type { Namespace } from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { qualifiedName } from "../names.ts";
import { each } from "./common.ts";
import { keepField, metadataRules } from "./generic.ts";
import { nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against Namespace's schema.
const asNamespace = (object: KubeObject): Namespace => object as Namespace;

const metaRule = { namespaced: false, name: nameRules.label } as const;
const nameLabel = "kubernetes.io/metadata.name";
/** The finalizer that keeps a namespace until its contents are gone. */
export const namespaceFinalizer = "kubernetes";

export const namespaceRules: Rules = {
  ...metadataRules(metaRule),
  setDefaults(object) {
    const name = object.metadata?.name ?? "";
    if (name !== "") {
      object.metadata = { ...object.metadata, labels: { ...object.metadata?.labels, [nameLabel]: name } };
    }
  },
  prepareForCreate(object) {
    const namespace = asNamespace(object);
    namespace.status = { phase: "Active" };
    const finalizers = namespace.spec?.finalizers ?? [];
    if (!finalizers.includes(namespaceFinalizer)) {
      namespace.spec = { ...namespace.spec, finalizers: [...finalizers, namespaceFinalizer] };
    }
  },
  prepareForUpdate(next, old) {
    // Finalizers of the spec have a path of their own: /finalize.
    keepField(next, old, "spec");
    keepField(next, old, "status");
  },
  validate: (object) => [
    ...validateMeta(object.metadata, metaRule),
    ...(asNamespace(object).spec?.finalizers ?? []).flatMap(validateFinalizer),
  ],
  validateUpdate: (next, old) => validateMetaUpdate(next.metadata, old.metadata),
  validateStatusUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validatePhase(asNamespace(next)),
  ],
};

function validateFinalizer(name: string, index: number): FieldError[] {
  const path = `spec.finalizers[${index}]`;
  const errors = each(qualifiedName(name), path, name);
  if (errors.length === 0 && !name.includes("/") && name !== namespaceFinalizer) {
    errors.push(invalid(path, name, "name is neither a standard finalizer name nor is it fully qualified"));
  }
  return errors;
}

function validatePhase(namespace: Namespace): FieldError[] {
  const phase = namespace.status?.phase ?? "";
  const path = "status.Phase";
  if (namespace.metadata?.deletionTimestamp === undefined) {
    if (phase === "Active") return [];
    return [invalid(path, phase, "may only be 'Active' if `deletionTimestamp` is empty")];
  }
  if (phase === "Terminating") return [];
  return [invalid(path, phase, "may only be 'Terminating' if `deletionTimestamp` is not empty")];
}
