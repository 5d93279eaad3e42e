/** Kinds that extend or steer the API itself. @see kubernetes pkg/apis/admissionregistration, flowcontrol, certificates */
import { type FieldError, invalid, notSupported, required } from "../field_errors.ts";
import type {
  CustomResourceDefinition,
  FlowSchema,
  MatchResources,
  MutatingAdmissionPolicy,
  MutatingWebhook,
  MutatingWebhookConfiguration,
  PriorityLevelConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
} from "../gen/types.ts";
import type { KubeObject } from "../meta.ts";
import { customResourceDefinitions } from "../resources.ts";
import { unset } from "./common.ts";
import { fieldsOf } from "./generic.ts";
import { type SchemaRuleOptions, schemaRules } from "./schema_rules.ts";
import type { Rules } from "./types.ts";
import { specOf } from "./workloads.ts";

// Rules are looked up by resource, and the codec has checked the object against the schema of that resource's type.
const asDefinition = (object: KubeObject): CustomResourceDefinition => object as CustomResourceDefinition;

function defaultMatch(match: MatchResources | undefined): void {
  if (match === undefined) return;
  match.matchPolicy ??= "Equivalent";
  match.namespaceSelector ??= {};
  match.objectSelector ??= {};
  for (const rule of [...match.resourceRules ?? [], ...match.excludeResourceRules ?? []]) rule.scope ??= "*";
}

/** @param mutating such hooks may be called again */
export function webhookOptions(mutating: boolean): SchemaRuleOptions {
  return {
    generationOf: ["webhooks"],
    setDefaults(object) {
      for (const hook of (object as MutatingWebhookConfiguration).webhooks ?? []) defaultWebhook(hook, mutating);
    },
    check: (object) =>
      ((object as MutatingWebhookConfiguration).webhooks ?? []).flatMap((hook, index) =>
        validateWebhook(hook, `webhooks[${index}]`)
      ),
  };
}

function defaultWebhook(hook: MutatingWebhook, mutating: boolean): void {
  hook.failurePolicy ??= "Fail";
  hook.matchPolicy ??= "Equivalent";
  hook.namespaceSelector ??= {};
  hook.objectSelector ??= {};
  hook.timeoutSeconds ??= 10;
  if (mutating) hook.reinvocationPolicy ??= "Never";
  const service = hook.clientConfig?.service;
  if (service !== undefined) service.port ??= 443;
  for (const rule of hook.rules ?? []) rule.scope ??= "*";
}

function validateWebhook(hook: MutatingWebhook, path: string): FieldError[] {
  const { clientConfig, sideEffects } = hook;
  const errors = [...validateTimeout(hook, `${path}.timeoutSeconds`)];
  if ((hook.name ?? "").split(".").length < 3) {
    errors.push(
      invalid(`${path}.name`, hook.name ?? "", "should be a domain with at least three segments separated by dots"),
    );
  }
  if (sideEffects !== "None" && sideEffects !== "NoneOnDryRun") {
    errors.push(notSupported(`${path}.sideEffects`, sideEffects ?? "", ["None", "NoneOnDryRun"]));
  }
  if (!(hook.admissionReviewVersions ?? []).some((version) => version === "v1" || version === "v1beta1")) {
    const text = "must include at least one of v1, v1beta1";
    errors.push(invalid(`${path}.admissionReviewVersions`, hook.admissionReviewVersions ?? [], text));
  }
  if ((clientConfig?.url === undefined) === (clientConfig?.service === undefined)) {
    errors.push(required(`${path}.clientConfig`, "exactly one of url or service is required"));
  } else if (clientConfig?.url !== undefined) {
    errors.push(...validateWebhookUrl(clientConfig.url, `${path}.clientConfig.url`));
  }
  return errors;
}

/** No credentials, no query, no fragment: only a place. */
function validateWebhookUrl(url: string, path: string): FieldError[] {
  if (!url.startsWith("https://")) {
    const scheme = /^([a-z]+):/i.exec(url)?.[1] ?? "";
    return [invalid(path, scheme, "'https' is the only allowed URL scheme; desired format: https://host[/path]")];
  }
  if (/^https:\/\/[^/]*@/.test(url)) return [invalid(path, url, "user information is not permitted in the URL")];
  if (url.includes("#")) return [invalid(path, url, "fragments are not permitted in the URL")];
  if (url.includes("?")) return [invalid(path, url, "query parameters are not permitted in the URL")];
  return [];
}

function validateTimeout(hook: MutatingWebhook, path: string): FieldError[] {
  const seconds = hook.timeoutSeconds ?? 10;
  if (seconds >= 1 && seconds <= 30) return [];
  return [invalid(path, seconds, "the timeout value must be between 1 and 30 seconds")];
}

export const admissionPolicyOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  needs: ["spec.matchConstraints"],
  setDefaults(object) {
    const spec = specOf(object as ValidatingAdmissionPolicy);
    spec.failurePolicy ??= "Fail";
    defaultMatch(spec.matchConstraints);
  },
};

/** @see kubernetes pkg/apis/admissionregistration/validation: validateMutation */
export const mutatingPolicyOptions: SchemaRuleOptions = {
  ...admissionPolicyOptions,
  needs: ["spec.matchConstraints", "spec.mutations"],
  check(object) {
    const { spec } = object as MutatingAdmissionPolicy;
    const errors: FieldError[] = [];
    const policy = spec?.reinvocationPolicy ?? "";
    if (policy === "") errors.push(required("spec.reinvocationPolicy"));
    else if (policy !== "Never" && policy !== "IfNeeded") {
      errors.push(notSupported("spec.reinvocationPolicy", policy, ["IfNeeded", "Never"]));
    }
    for (const [index, { patchType, applyConfiguration, jsonPatch }] of (spec?.mutations ?? []).entries()) {
      const path = `spec.mutations[${index}]`;
      if (patchType === "") errors.push(required(`${path}.patchType`));
      else if (patchType !== "ApplyConfiguration" && patchType !== "JSONPatch") {
        errors.push(notSupported(`${path}.patchType`, patchType, ["ApplyConfiguration", "JSONPatch"]));
      } else if (patchType === "JSONPatch" ? applyConfiguration !== undefined : jsonPatch !== undefined) {
        const other = patchType === "JSONPatch" ? "applyConfiguration" : "jsonPatch";
        errors.push(invalid(`${path}.${other}`, "{}", `must not be specified when patchType is ${patchType}`));
      }
    }
    return errors;
  },
};

export const policyBindingOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  needs: ["spec.policyName"],
  setDefaults: (object) => defaultMatch((object as ValidatingAdmissionPolicyBinding).spec?.matchResources),
};

export const flowSchemaOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  needs: ["spec.priorityLevelConfiguration.name"],
  setDefaults: (object) => void (specOf(object as FlowSchema).matchingPrecedence ??= 1000),
};

export const priorityLevelOptions: SchemaRuleOptions = {
  generationOf: ["spec"],
  needs: ["spec.type"],
  setDefaults(object) {
    const spec = specOf(object as PriorityLevelConfiguration);
    const { limited, exempt } = spec;
    if (exempt !== undefined) {
      exempt.nominalConcurrencyShares ??= 0;
      exempt.lendablePercent ??= 0;
    }
    if (limited === undefined) return;
    limited.nominalConcurrencyShares ??= 30;
    limited.lendablePercent ??= 0;
    const response = limited.limitResponse;
    if (response?.type !== "Queue") return;
    const queuing = response.queuing ??= {};
    queuing.queues ??= 64;
    queuing.handSize ??= 8;
    queuing.queueLengthLimit ??= 50;
  },
};

const definitionBase = schemaRules(customResourceDefinitions, {
  generationOf: ["spec"],
  setDefaults(object) {
    const spec = specOf(asDefinition(object));
    spec.conversion ??= { strategy: "None" };
    const { names } = spec;
    if (names === undefined) return;
    if (unset(names.singular)) names.singular = (names.kind ?? "").toLowerCase();
    if (unset(names.listKind)) names.listKind = `${names.kind ?? ""}List`;
  },
  check(object) {
    const { metadata, spec } = asDefinition(object);
    const errors: FieldError[] = [];
    const wanted = `${spec?.names?.plural ?? ""}.${spec?.group ?? ""}`;
    if (metadata?.name !== wanted) {
      errors.push(invalid("metadata.name", metadata?.name ?? "", 'must be spec.names.plural+"."+spec.group'));
    }
    if ((spec?.versions ?? []).filter((version) => version.storage).length !== 1) {
      const text = "must have exactly one version marked as storage version";
      errors.push(invalid("spec.versions", spec?.versions ?? [], text));
    }
    return errors;
  },
});

export const definitionRules: Rules = {
  ...definitionBase,
  prepareForCreate(object, context) {
    definitionBase.prepareForCreate(object, context);
    const storage = (asDefinition(object).spec?.versions ?? []).filter((version) => version.storage);
    fieldsOf(object)["status"] = { storedVersions: storage.map((version) => version.name) };
  },
};
