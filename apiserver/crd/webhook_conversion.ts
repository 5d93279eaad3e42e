import type { CustomResourceDefinition } from "../../api/gen/types.ts";
import { validateLabels } from "../../api/labels.ts";
import type { KubeObject } from "../../api/meta.ts";
import { plainFailure } from "../../api/status.ts";
import { dig, isRecord, type Json, text } from "../dig.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { askWebhook, UnreachableError } from "../webhook_client.ts";

/** Objects of any versions of one definition as objects of one version, in the same order. @throws ApiError 500 */
export type Convert = (objects: readonly KubeObject[], apiVersion: string) => Promise<KubeObject[]>;

const timeoutSeconds = 30;

/** Null: the definition's versions differ in name alone. @see apiextensions-apiserver pkg/apiserver/conversion */
export function webhookConversion(registry: Registry, definition: CustomResourceDefinition): Convert | null {
  const { conversion } = definition.spec;
  const { webhook } = conversion ?? {};
  if (conversion?.strategy !== "Webhook" || webhook?.clientConfig === undefined) return null;
  const place = webhook.clientConfig;
  const version = webhook.conversionReviewVersions.find((each) => each === "v1" || each === "v1beta1");
  return async (objects, apiVersion) => {
    const converted: KubeObject[] = [];
    for (let at = 0; at < objects.length; at += limits.conversionBatch) {
      const batch = objects.slice(at, at + limits.conversionBatch);
      if (version === undefined) throw plainFailure("no supported conversion review versions");
      const uid = registry.random.uuid();
      const review = `apiextensions.k8s.io/${version}`;
      const request = { uid, desiredAPIVersion: apiVersion, objects: batch };
      const body = JSON.stringify({ kind: "ConversionReview", apiVersion: review, request });
      const what = `conversion webhook for ${gvk(batch[0] ?? {})}`;
      const answers = await answered(what, async () => {
        const answer = await askWebhook(registry, place, body, timeoutSeconds);
        return convertedObjects(answer, review, version === "v1" ? uid : null);
      });
      if (answers.length !== batch.length) {
        throw plainFailure(`${what} returned ${answers.length} objects, expected ${batch.length}`);
      }
      for (const [index, original] of batch.entries()) converted.push(accept(original, answers[index], apiVersion));
    }
    return converted;
  };
}

async function answered<T>(what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof UnreachableError)) throw error;
    throw plainFailure(`${what} failed: ${error.message}`);
  }
}

/** As Go prints a GroupVersionKind. */
function gvk(object: KubeObject): string {
  return `${object.apiVersion ?? ""}, Kind=${object.kind ?? ""}`;
}

/** @param uid null: v1beta1, whose answers are not checked for it */
function convertedObjects(answer: unknown, apiVersion: string, uid: string | null): readonly unknown[] {
  const told = `${text(dig(answer, "apiVersion"))}, Kind=${text(dig(answer, "kind"))}`;
  const wanted = `${apiVersion}, Kind=ConversionReview`;
  if (uid !== null && told !== wanted) {
    throw new UnreachableError(`expected webhook response of ${wanted}, got ${told}`);
  }
  const response = dig(answer, "response");
  if (!isRecord(response)) throw new UnreachableError("no response provided");
  if (uid !== null && response["uid"] !== uid) {
    const got = JSON.stringify(text(response["uid"]));
    throw new UnreachableError(`expected response.uid=${JSON.stringify(uid)}, got ${got}`);
  }
  const status = text(dig(response, "result", "status"));
  if (status !== "Success") {
    const message = text(dig(response, "result", "message"));
    throw new UnreachableError(message || `response.result.status was '${status}', not 'Success'`);
  }
  const { convertedObjects = [] } = response;
  if (!Array.isArray(convertedObjects)) throw new UnreachableError("response.convertedObjects is not a list");
  return convertedObjects;
}

/** A webhook may change everything but what the object is: of its metadata only labels and annotations. */
function accept(original: KubeObject, answer: unknown, apiVersion: string): KubeObject {
  const what = `conversion webhook for ${gvk(original)} returned invalid`;
  if (!isRecord(answer)) throw plainFailure(`${what} object at index 0: it is not an object`);
  const version = text(answer["apiVersion"]);
  if (version !== apiVersion) {
    throw plainFailure(
      `${what} object at index 0: invalid groupVersion (expected ${apiVersion}, received ${version})`,
    );
  }
  const kind = text(answer["kind"]);
  if (kind !== original.kind) {
    throw plainFailure(`${what} object at index 0: invalid kind (expected ${original.kind ?? ""}, received ${kind})`);
  }
  for (const [field, name] of [["name", "name"], ["namespace", "namespace"], ["uid", "UID"]] as const) {
    const before = original.metadata?.[field] ?? "";
    const after = text(dig(answer, "metadata", field));
    if (before !== after) throw plainFailure(`${what} object: must have the same ${name}: ${before} != ${after}`);
  }
  const { metadata } = answer;
  if (!isRecord(metadata)) throw plainFailure(`${what} metadata: missing metadata in converted object`);
  const restored: Json = { ...original.metadata };
  for (const field of ["labels", "annotations"] as const) {
    const given = metadata[field];
    if (given === undefined || given === null) {
      delete restored[field];
      continue;
    }
    const problem = problemOf(field, given);
    if (problem !== null) throw plainFailure(`${what} metadata: ${problem}`);
    restored[field] = given;
  }
  return { ...answer, metadata: restored } as KubeObject;
}

function problemOf(field: "labels" | "annotations", given: unknown): string | null {
  if (!isRecord(given)) return `invalid metadata.${field} of type ${typeof given} in converted object`;
  for (const [key, value] of Object.entries(given)) {
    if (typeof value !== "string") {
      return `metadata.${field}[${key}] must be a string, but is ${typeof value} in converted object`;
    }
  }
  if (field === "annotations") return null;
  const problems = validateLabels(given as Record<string, string>, "metadata.labels");
  return problems.length === 0 ? null : problems.map((it) => `${it.field}: ${it.message}`).join(", ");
}
