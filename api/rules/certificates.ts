/** CertificateSigningRequests. @see kubernetes pkg/apis/certificates/validation, pkg/registry/certificates */
import { duplicate, type FieldError, forbidden, invalid, notSupported, required, tooLong } from "../field_errors.ts";
import type { CertificateSigningRequest, CertificateSigningRequestCondition } from "../gen/types.ts";
import { quote } from "../go_text.ts";
import { clone, equalJson } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import { dns1123Label } from "../names.ts";
import { formatTime } from "../time.ts";
import { unset } from "./common.ts";
import { keepAllButStatus } from "./generic.ts";
import { validateMetaUpdate } from "./meta.ts";
import type { RuleContext, Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asRequest = (object: KubeObject): CertificateSigningRequest => object as CertificateSigningRequest;

export const legacyUnknownSigner = "kubernetes.io/legacy-unknown";
const secondsMin = 600;
const domainMax = 253;
/** A namespaced object's `NAMESPACE.NAME`: 63 + 1 + 253. */
const pathMax = 317;

export const certificateUsages: readonly string[] = [
  "any",
  "cert sign",
  "client auth",
  "code signing",
  "content commitment",
  "crl sign",
  "data encipherment",
  "decipher only",
  "digital signature",
  "email protection",
  "encipher only",
  "ipsec end system",
  "ipsec tunnel",
  "ipsec user",
  "key agreement",
  "key encipherment",
  "microsoft sgc",
  "netscape sgc",
  "ocsp signing",
  "s/mime",
  "server auth",
  "signing",
  "timestamping",
];

/** Conditions that are verdicts: who may set them differs, and nobody takes one back. */
const verdicts: readonly string[] = ["Approved", "Denied"];
const lasting: readonly string[] = [...verdicts, "Failed"];

/** @param base what follows from the schema alone */
export function signingRequestRules(base: Rules): Rules {
  return {
    ...base,
    prepareForCreate: (object) => void (asRequest(object).status = {}),
    prepareForUpdate: (next, old) => {
      const { spec, status } = asRequest(old);
      asRequest(next).spec = clone(spec);
      if (status === undefined) delete asRequest(next).status;
      else asRequest(next).status = clone(status);
    },
    prepareForStatusUpdate: (next, old, context) => {
      keepAllButStatus(next, old);
      stampConditions(next, old, context);
    },
    prepareForApproval: (next, old, context) => {
      keepAllButStatus(next, old);
      const { certificate } = asRequest(old).status ?? {};
      const { conditions } = asRequest(next).status ?? {};
      asRequest(next).status = {
        ...(certificate === undefined ? {} : { certificate }),
        ...(conditions === undefined ? {} : { conditions }),
      };
      stampConditions(next, old, context);
    },
    validate: (object, context) => [...base.validate(object, context), ...checkSpec(asRequest(object))],
    validateUpdate: (next, old) => validateMetaUpdate(next.metadata, old.metadata),
    validateStatusUpdate: (next, old) => checkStatus(next, old, { verdicts: false, certificate: true }),
    validateApproval: (next, old) => checkStatus(next, old, { verdicts: true, certificate: false }),
  };
}

function stampConditions(next: KubeObject, old: KubeObject, { now }: RuleContext): void {
  const before = asRequest(old).status?.conditions ?? [];
  for (const condition of asRequest(next).status?.conditions ?? []) {
    if (unset(condition.lastTransitionTime)) {
      const same = before.find(({ type, status }) => type === condition.type && status === condition.status);
      condition.lastTransitionTime = same?.lastTransitionTime ?? formatTime(now);
    }
    if (unset(condition.lastUpdateTime)) condition.lastUpdateTime = formatTime(now);
  }
}

function checkSpec({ spec }: CertificateSigningRequest): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, usage] of (spec?.usages ?? []).entries()) {
    const path = `spec.usages[${index}]`;
    if (!certificateUsages.includes(usage)) errors.push(notSupported(path, usage, certificateUsages));
    if (seen.has(usage)) errors.push(duplicate(path, usage));
    seen.add(usage);
  }
  const { signerName = "", expirationSeconds } = spec ?? {};
  if (signerName === legacyUnknownSigner) {
    const text = "the legacy signerName is not allowed via this API version";
    errors.push(invalid("spec.signerName", signerName, text));
  } else if (signerName !== "") errors.push(...checkSignerName(signerName, "spec.signerName"));
  if (expirationSeconds !== undefined && expirationSeconds < secondsMin) {
    const text = `may not specify a duration less than ${secondsMin} seconds (10 minutes)`;
    errors.push(invalid("spec.expirationSeconds", expirationSeconds, text));
  }
  return errors;
}

/** `example.com/signer-name`. */
export function checkSignerName(name: string, path: string): FieldError[] {
  const segments = name.split("/");
  const [domain = "", rest = ""] = segments;
  if (segments.length !== 2) {
    const text = "must be a fully qualified domain and path of the form 'example.com/signer-name'";
    return [invalid(path, name, text)];
  }
  const errors: FieldError[] = [];
  if (domain.length > domainMax) errors.push(tooLong(path, domainMax));
  const labels = domain.split(".");
  if (labels.length < 2) {
    errors.push(invalid(path, domain, "should be a domain with at least two segments separated by dots"));
  }
  for (const label of labels) {
    for (const text of dns1123Label(label)) {
      errors.push(invalid(path, domain, `validating label ${quote(label)}: ${text}`));
    }
  }
  if (rest.length > pathMax) errors.push(tooLong(path, pathMax));
  for (const label of rest.split(".")) {
    for (const text of dns1123Label(label)) {
      errors.push(invalid(path, rest, `validating label ${quote(label)}: ${text}`));
    }
  }
  return errors;
}

interface MaySet {
  /** Approved and Denied. */
  readonly verdicts: boolean;
  readonly certificate: boolean;
}

function checkStatus(next: KubeObject, old: KubeObject, may: MaySet): FieldError[] {
  const errors = validateMetaUpdate(next.metadata, old.metadata);
  const conditions = asRequest(next).status?.conditions ?? [];
  errors.push(...checkConditions(conditions));
  const before = asRequest(old).status?.conditions ?? [];
  for (const type of lasting) {
    const was = before.filter((it) => it.type === type);
    const is = conditions.filter((it) => it.type === type);
    const refuse = (verb: string) =>
      errors.push(forbidden("status.conditions", `updates may not ${verb} a condition of type ${quote(type)}`));
    if (is.length < was.length) refuse("remove");
    else if (is.length > was.length) {
      if (verdicts.includes(type) && !may.verdicts) refuse("add");
    } else if (!equalJson(is, was)) refuse("modify");
  }
  const certificate = asRequest(next).status?.certificate ?? "";
  const had = asRequest(old).status?.certificate ?? "";
  if (certificate !== had) {
    if (!may.certificate) errors.push(forbidden("status.certificate", "updates may not set certificate content"));
    else if (had !== "") {
      errors.push(forbidden("status.certificate", "updates may not modify existing certificate content"));
    }
  }
  return errors;
}

function checkConditions(conditions: readonly CertificateSigningRequestCondition[]): FieldError[] {
  const errors: FieldError[] = [];
  const seen = new Set<string>();
  for (const [index, { type = "", status = "" }] of conditions.entries()) {
    const path = `status.conditions[${index}]`;
    if (type === "") errors.push(required(`${path}.type`));
    const allowed = lasting.includes(type) ? ["True"] : ["False", "True", "Unknown"];
    if (status === "") errors.push(required(`${path}.status`));
    else if (!allowed.includes(status)) errors.push(notSupported(`${path}.status`, status, allowed));
    const rival = type === "Approved" ? "Denied" : type === "Denied" ? "Approved" : "";
    if (rival !== "" && seen.has(rival)) {
      errors.push(invalid(`${path}.type`, type, "Approved and Denied conditions are mutually exclusive"));
    }
    if (seen.has(type)) errors.push(duplicate(`${path}.type`, type));
    seen.add(type);
  }
  return errors;
}
