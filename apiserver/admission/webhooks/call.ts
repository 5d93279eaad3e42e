import { decodeBase64 } from "../../../api/base64.ts";
import type { MutatingWebhook } from "../../../api/gen/types.ts";
import type { KubeObject } from "../../../api/meta.ts";
import { ApiError, badRequest, internal, type Status } from "../../../api/status.ts";
import { fromUtf8 } from "../../../base/bytes.ts";
import { type User, userInfo } from "../../authn/user.ts";
import { dig, isRecord, type Json, text, texts } from "../../dig.ts";
import { limits } from "../../limits.ts";
import type { Registry } from "../../registry/context.ts";
import { askWebhook, UnreachableError } from "../../webhook_client.ts";
import type { Admission, Operation } from "./match.ts";

/** What a webhook said. */
export interface Verdict {
  readonly allowed: boolean;
  /** Why not. */
  readonly status: Json;
  /** A JSON Patch, parsed; null: none. */
  readonly patch: unknown;
  readonly warnings: readonly string[];
  /** For the audit log. */
  readonly auditAnnotations: Json;
}

/** The webhook could not be asked, or its answer could not be read: the failure policy decides what that means. */
export class CallError extends Error {
  override readonly name = "CallError";
}

export interface Ask {
  readonly user: User;
  readonly dryRun: boolean;
}

const optionKinds: Readonly<Record<Operation, string | null>> = {
  CONNECT: null,
  CREATE: "CreateOptions",
  DELETE: "DeleteOptions",
  UPDATE: "UpdateOptions",
};

/** The request as a webhook and a CEL condition see it. */
export function admissionRequest(it: Admission, ask: Ask, uid: string): Json {
  const { group, version, resource } = it.info;
  const { kind = it.info.kind } = it;
  const asked = it.requested ?? it.info;
  const options = optionKinds[it.operation];
  return {
    uid,
    kind: { group, version, kind },
    resource: { group, version, resource },
    ...(it.subresource === "" ? {} : { subResource: it.subresource, requestSubResource: it.subresource }),
    requestKind: { group: asked.group, version: asked.version, kind: it.kind ?? asked.kind },
    requestResource: { group: asked.group, version: asked.version, resource: asked.resource },
    ...(it.name === "" ? {} : { name: it.name }),
    ...(it.namespace === "" ? {} : { namespace: it.namespace }),
    operation: it.operation,
    userInfo: userInfo(ask.user),
    object: it.object,
    oldObject: it.old,
    dryRun: ask.dryRun,
    options: options === null ? null : { kind: options, apiVersion: "meta.k8s.io/v1" },
  };
}

/** Asks one webhook. @throws CallError; ApiError 400 when it has effects that a dry run must not have */
export async function callWebhook(
  registry: Registry,
  hook: MutatingWebhook,
  it: Admission,
  ask: Ask,
): Promise<Verdict> {
  if (ask.dryRun && hook.sideEffects !== "None" && hook.sideEffects !== "NoneOnDryRun") {
    throw badRequest(`admission webhook ${JSON.stringify(hook.name)} does not support dry run`);
  }
  const uid = registry.random.uuid();
  const version = hook.admissionReviewVersions.find((each) => each === "v1" || each === "v1beta1");
  if (version === undefined) {
    throw new CallError("webhook does not accept known AdmissionReview versions (v1, v1beta1)");
  }
  const apiVersion = `admission.k8s.io/${version}`;
  const review = { kind: "AdmissionReview", apiVersion, request: admissionRequest(it, ask, uid) };
  return readVerdict(await post(registry, hook, JSON.stringify(review)), apiVersion, uid);
}

async function post(registry: Registry, hook: MutatingWebhook, body: string): Promise<unknown> {
  try {
    return await askWebhook(registry, hook.clientConfig, body, hook.timeoutSeconds ?? 10);
  } catch (error) {
    if (error instanceof UnreachableError) throw new CallError(`failed to call webhook: ${error.message}`);
    throw error;
  }
}

function readVerdict(answer: unknown, apiVersion: string, uid: string): Verdict {
  const response = dig(answer, "response");
  if (!isRecord(response)) throw new CallError("failed to call webhook: webhook response is missing");
  if (dig(answer, "kind") !== "AdmissionReview" || dig(answer, "apiVersion") !== apiVersion) {
    const got = `${text(dig(answer, "apiVersion"))}, Kind=${text(dig(answer, "kind"))}`;
    throw new CallError(`expected webhook response of ${apiVersion}, Kind=AdmissionReview, got ${got}`);
  }
  if (response["uid"] !== uid) {
    throw new CallError(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(text(response["uid"]))}`);
  }
  const { patch, patchType, status, auditAnnotations } = response;
  if (patch !== undefined && patchType !== "JSONPatch") {
    throw new CallError(`webhook returned response.patchType=${JSON.stringify(text(patchType))}, must be "JSONPatch"`);
  }
  return {
    allowed: response["allowed"] === true,
    status: isRecord(status) ? status : {},
    patch: typeof patch === "string" ? JSON.parse(fromUtf8(decodeBase64(patch) ?? new Uint8Array(0))) : null,
    warnings: texts(response["warnings"]).slice(0, limits.webhookWarnings),
    auditAnnotations: isRecord(auditAnnotations) ? auditAnnotations : {},
  };
}

/** The refusal, in the webhook's own words. */
export function denial(hook: Pick<MutatingWebhook, "name">, verdict: Verdict): ApiError {
  const { status } = verdict;
  const head = `admission webhook ${JSON.stringify(hook.name)} denied the request`;
  const why = text(status["message"]) || text(status["reason"]);
  const code = typeof status["code"] === "number" && status["code"] >= 400 ? status["code"] : 400;
  const told: Status = {
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: why === "" ? `${head} without explanation` : `${head}: ${why}`,
    code,
  };
  if (text(status["reason"]) !== "") told.reason = text(status["reason"]);
  return new ApiError(told);
}

/** What `failurePolicy: Fail` makes of a webhook that could not be asked. */
export function callFailure(hook: Pick<MutatingWebhook, "name">, error: CallError): ApiError {
  return internal(new Error(`failed calling webhook ${JSON.stringify(hook.name)}: ${error.message}`));
}

/** As the object that a patch made, in the place of the one that the server holds. */
export function replaceWith(object: KubeObject, next: KubeObject): void {
  const target = object as Json;
  for (const name of Object.keys(target)) delete target[name];
  Object.assign(target, next);
}
