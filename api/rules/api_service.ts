import { type FieldError, invalid, required } from "../field_errors.ts";
import type { APIService } from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { dns1035Label, dns1123Subdomain, portNumber } from "../names.ts";
import { apiServices } from "../resources.ts";
import { formatTime } from "../time.ts";
import { unset } from "./common.ts";
import { fieldsOf } from "./generic.ts";
import { pathSegmentName, schemaRules } from "./schema_rules.ts";
import type { Rules } from "./types.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asApiService = (object: KubeObject): APIService => object as APIService;

/** The condition of what the server itself serves. */
export const localApiServiceCondition = {
  type: "Available",
  status: "True",
  reason: "Local",
  message: "Local APIServices are always available",
};

const apiServiceBase = schemaRules(apiServices, {
  name: pathSegmentName,
  setDefaults(object) {
    const service = asApiService(object).spec?.service;
    if (service !== undefined) service.port ??= 443;
  },
  check: (object) => apiServiceErrors(asApiService(object)),
});

export const apiServiceRules: Rules = {
  ...apiServiceBase,
  prepareForCreate(object, context) {
    apiServiceBase.prepareForCreate(object, context);
    fieldsOf(object)["status"] = asApiService(object).spec?.service === undefined
      ? { conditions: [{ ...localApiServiceCondition, lastTransitionTime: formatTime(context.now) }] }
      : {};
  },
};

/** @see kube-aggregator pkg/apis/apiregistration/validation */
function apiServiceErrors({ metadata, spec }: APIService): FieldError[] {
  const errors: FieldError[] = [];
  const { group = "", version = "", service } = spec ?? {};
  const wanted = `${version}.${group}`;
  if (metadata?.name !== wanted) {
    const text = `must be \`spec.version+"."+spec.group\`: "${wanted}"`;
    errors.push(invalid("metadata.name", metadata?.name ?? "", text));
  }
  if (group === "") {
    const text = "only v1 may have an empty group and it better be legacy kube";
    if (version !== "v1") errors.push(required("spec.group", text));
  } else {
    const problems = dns1123Subdomain(group);
    if (problems.length > 0) errors.push(invalid("spec.group", group, problems.join(",")));
  }
  const problems = dns1035Label(version);
  if (problems.length > 0) errors.push(invalid("spec.version", version, problems.join(",")));
  for (const [field, max] of [["groupPriorityMinimum", 20_000], ["versionPriority", 1000]] as const) {
    const value = spec?.[field] ?? 0;
    if (value > 0 && value <= max) continue;
    errors.push(invalid(`spec.${field}`, value, `must be positive and less than ${max}`));
  }
  const bundle = spec?.caBundle ?? "";
  const insecure = spec?.insecureSkipTLSVerify === true;
  if (service === undefined) {
    if (bundle !== "") {
      const text = `${Math.floor(bundle.replace(/=+$/, "").length * 3 / 4)} bytes`;
      errors.push(invalid("spec.caBundle", text, "local APIServices may not have a caBundle"));
    }
    if (insecure) {
      const text = "local APIServices may not have insecureSkipTLSVerify";
      errors.push(invalid("spec.insecureSkipTLSVerify", true, text));
    }
    return errors;
  }
  for (const field of ["namespace", "name"] as const) {
    if (unset(service[field])) errors.push(required(`spec.service.${field}`));
  }
  const port = service.port ?? 443;
  const wrong = portNumber(port);
  if (wrong.length > 0) errors.push(invalid("spec.service.port", port, `port is not valid: ${wrong.join(",")}`));
  if (insecure && bundle !== "") {
    errors.push(invalid("spec.insecureSkipTLSVerify", true, "may not be true if caBundle is present"));
  }
  return errors;
}
