/** Kinds with few rules: Events, Leases, ServiceAccounts. */
import { asCoreEvent } from "../events.ts";
import { type FieldError, invalid, required } from "../field_errors.ts";
import { byteLength } from "../go_text.ts";
import type { CoreV1Event, EventsV1Event, Lease } from "../gen/types.ts";
import { equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { each, qualifiedAt, unset } from "./common.ts";
import { distinct, metadataRules } from "./generic.ts";
import { immutable, nameRules, validateMeta, validateMetaUpdate } from "./meta.ts";
import { dns1123Subdomain } from "../names.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asEvent = (object: KubeObject): CoreV1Event => object as CoreV1Event;
const asLease = (object: KubeObject): Lease => object as Lease;

const metaRule = { namespaced: true, name: nameRules.subdomain } as const;

export const serviceAccountRules: Rules = metadataRules(metaRule);

export const leaseRules: Rules = {
  ...metadataRules(metaRule),
  validate: (object) => [...validateMeta(object.metadata, metaRule), ...validateLease(asLease(object))],
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...validateLease(asLease(next)),
  ],
};

function validateLease(lease: Lease): FieldError[] {
  const errors: FieldError[] = [];
  const { leaseDurationSeconds: duration, leaseTransitions: transitions } = lease.spec ?? {};
  if (duration !== undefined && duration <= 0) {
    errors.push(invalid("spec.leaseDurationSeconds", duration, "must be greater than 0"));
  }
  if (transitions !== undefined && transitions < 0) {
    errors.push(invalid("spec.leaseTransitions", transitions, "must be greater than or equal to 0"));
  }
  return errors;
}

export const eventRules: Rules = {
  ...metadataRules(metaRule),
  validate: (object) => validateEvent(asEvent(object)),
  validateUpdate: (next, old) =>
    [
      ...validateMetaUpdate(next.metadata, old.metadata),
      ...validateEvent(asEvent(next)),
    ].filter(distinct),
};

const shortTextMax = 128;
const messageMax = 1024;

function validateEvent(event: CoreV1Event): FieldError[] {
  const errors = validateMeta(event.metadata, metaRule);
  const namespace = event.metadata?.namespace ?? "";
  const about = event.involvedObject?.namespace ?? "";
  const path = "involvedObject.namespace";
  const mismatch = invalid(path, about, "does not match event.namespace");
  if (unset(event.eventTime)) {
    // Objects without a namespace have their Events in "default", an old convention.
    if (about === "" ? namespace !== "" && namespace !== "default" : namespace !== about) errors.push(mismatch);
  } else {
    if (about === "" ? namespace !== "kube-system" && namespace !== "default" : namespace !== about) {
      errors.push(mismatch);
    }
    if (unset(event.reportingComponent)) errors.push(required("reportingComponent"));
    errors.push(...qualifiedAt(event.reportingComponent ?? "", "reportingComponent"));
    for (const field of ["reportingInstance", "action", "reason"] as const) {
      const value = event[field] ?? "";
      if (value === "") errors.push(required(field));
      if (byteLength(value) > shortTextMax) errors.push(invalid(field, "", "can have at most 128 characters"));
    }
    if (byteLength(event.message ?? "") > messageMax) {
      errors.push(invalid("message", "", "can have at most 1024 characters"));
    }
  }
  return [...errors, ...each(dns1123Subdomain(namespace), "namespace", namespace)];
}

const asNew = (object: KubeObject): EventsV1Event => object as EventsV1Event;

/** Fields of the older face, which new Events leave alone. */
const deprecated = [
  "deprecatedSource",
  "deprecatedFirstTimestamp",
  "deprecatedLastTimestamp",
  "deprecatedCount",
] as const;
/** Only the series goes on. */
const fixedOfEvents = [
  "regarding",
  "reason",
  "note",
  "type",
  "eventTime",
  "action",
  "related",
  "reportingController",
  "reportingInstance",
] as const;

/** Stricter than those of the core group: nothing is left to older clients. */
export const newEventRules: Rules = {
  ...metadataRules(metaRule),
  validate: (object) => {
    const event = asNew(object);
    const errors = validateEvent(asCoreEvent(event));
    if (unset(event.eventTime)) errors.push(required("eventTime"));
    if (event.type !== "Normal" && event.type !== "Warning") {
      errors.push(invalid("type", "", `has invalid value: ${event.type ?? ""}`));
    }
    for (const field of deprecated) {
      const value = event[field];
      if (value !== undefined && value !== null && !equalJson(value, {}) && value !== 0) {
        errors.push(invalid(field, "", "needs to be unset"));
      }
    }
    return errors;
  },
  validateUpdate: (next, old) => [
    ...validateMetaUpdate(next.metadata, old.metadata),
    ...fixedOfEvents.flatMap((field) => immutable(asNew(next)[field], asNew(old)[field], field)),
  ],
};
