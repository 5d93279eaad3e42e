import { firstVersionAutoscaler, storedAutoscaler } from "../../api/autoscalers.ts";
import { decodeValue } from "../../api/codec/mod.ts";
import type { HorizontalPodAutoscaler, V2HorizontalPodAutoscaler } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  apiVersionOf,
  certificateSigningRequests,
  customResourceDefinitions,
  events,
  firstHorizontalPodAutoscalers,
  horizontalPodAutoscalers,
  leases,
  mutatingAdmissionPolicies,
  mutatingWebhookConfigurations,
  newEvents,
  pods,
  type ResourceInfo,
  serviceAccounts,
  services,
  validatingAdmissionPolicies,
  validatingWebhookConfigurations,
} from "../../api/resources.ts";
import { type RuleContext, rulesFor } from "../../api/rules/mod.ts";
import type { Clock } from "../../platform/mod.ts";
import { expressionStrategy } from "../admission/expressions.ts";
import { definitionStrategy } from "../crd/definition_strategy.ts";
import type { ServerConfig } from "../config.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import { keepAllocated } from "./service_allocation.ts";
import { decodeRequest } from "../request_body.ts";
import { printerFor } from "../table/printers.ts";
import type { ObjectCodec, Strategy } from "./strategy.ts";

/** Where upstream's strategies say AllowCreateOnUpdate, resp. no AllowUnconditionalUpdate, resp. ReturnDeletedObject. */
const createOnUpdate: ReadonlySet<ResourceInfo> = new Set([events, leases, newEvents, services]);
const conditionalUpdate: ReadonlySet<ResourceInfo> = new Set([leases]);
const returnsDeleted: ReadonlySet<ResourceInfo> = new Set([pods, serviceAccounts, services]);

/** Kinds that hold CEL. */
const withExpressions: ReadonlySet<ResourceInfo> = new Set([
  mutatingAdmissionPolicies,
  mutatingWebhookConfigurations,
  validatingAdmissionPolicies,
  validatingWebhookConfigurations,
]);

/** By the schema of a type that is compiled in. */
function typedCodec({ group, version, kind, type }: ResourceInfo): ObjectCodec {
  const expect = { group, version, kind };
  return {
    decode: (body, contentType, fieldValidation) =>
      decodeRequest<KubeObject>(body, contentType, type, { fieldValidation, expect }),
    decodeValue: (value, fieldValidation) => decodeValue<KubeObject>(value, type, { fieldValidation, expect }),
  };
}

/** For webhooks that ask for the other version. @param object of either version */
function convertAutoscaler(object: KubeObject, apiVersion: string): Promise<KubeObject> {
  if (object.apiVersion === apiVersion) return Promise.resolve(object);
  return Promise.resolve(
    apiVersion === apiVersionOf(firstHorizontalPodAutoscalers)
      ? firstVersionAutoscaler(object as V2HorizontalPodAutoscaler)
      : storedAutoscaler(object as HorizontalPodAutoscaler),
  );
}

/** The kind's rules from `api/rules`, with what only the server can know. */
export function strategyFor(cache: ResourceCache, deps: { clock: Clock; config: ServerConfig }): Strategy {
  const { info } = cache.resource;
  const rules = rulesFor(info);
  const { allowLoopbackEndpoints } = deps.config;
  const context = (): RuleContext => ({ now: deps.clock.now(), allowLoopbackEndpoints });
  const strategy: Strategy = {
    info,
    cache,
    codec: typedCodec(info),
    printer: printerFor(info),
    createsOnUpdate: createOnUpdate.has(info),
    updatesUnconditionally: !conditionalUpdate.has(info),
    returnsDeleted: returnsDeleted.has(info),
    ...(rules.views === undefined ? {} : { views: rules.views }),
    setDefaults: (object) => rules.setDefaults(object),
    prepareForCreate: (object) => rules.prepareForCreate(object, context()),
    prepareForUpdate: (object, old) => {
      if (info === services) keepAllocated(object, old);
      rules.prepareForUpdate(object, old, context());
    },
    prepareForStatusUpdate: (object, old) => rules.prepareForStatusUpdate(object, old, context()),
    validateCreate: (object) => rules.validate(object, context()),
    validateUpdate: (object, old) => rules.validateUpdate(object, old, context()),
    validateStatusUpdate: (object, old) => rules.validateStatusUpdate(object, old, context()),
  };
  if (info === certificateSigningRequests) {
    strategy.prepareForApproval = (object, old) => rules.prepareForApproval?.(object, old, context());
    strategy.validateApproval = (object, old) => rules.validateApproval?.(object, old, context()) ?? [];
  }
  if (info === horizontalPodAutoscalers || info === firstHorizontalPodAutoscalers) {
    strategy.convertTo = convertAutoscaler;
  }
  if (info === customResourceDefinitions) return definitionStrategy(strategy, deps.clock);
  return withExpressions.has(info) ? expressionStrategy(strategy) : strategy;
}
