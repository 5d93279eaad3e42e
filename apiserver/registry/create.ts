import type { ManagedFieldsEntry } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { generatedName } from "../../api/names.ts";
import { namespaces, services } from "../../api/resources.ts";
import {
  alreadyExists,
  ApiError,
  badRequest,
  generateNameConflict,
  invalid,
  notFound,
  plainFailure,
  serverTimeout,
} from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { limits } from "../limits.ts";
import { convertedBytes, parseCached } from "../watchcache/cached.ts";
import { encodeAtRest } from "../watchcache/splice.ts";
import { admitCreate } from "../admission/admit.ts";
import { admissionOf, askValidators, hasDynamicAdmission } from "../admission/webhooks/dispatch.ts";
import { type Allocation, sideWritesFor } from "./allocations.ts";
import type { Registry, WriteContext, Written } from "./context.ts";
import { trackCreate } from "./managed_fields.ts";
import type { Strategy } from "./strategy.ts";
import { bytesToStore, keyOf, namespaceKey, writeObject } from "./write.ts";

/**
 * POST: name, stamp, default, admit, validate, then "write if there is nothing under the key".
 * @param object the decoded body, changed in place
 * @param owners managedFields when they are known already: an apply's
 */
export async function create(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  object: KubeObject,
  owners?: readonly ManagedFieldsEntry[],
): Promise<Written> {
  const { info } = strategy;
  checkNamespace(strategy, object, namespace);
  const given = object.metadata?.managedFields;
  const { name: givenName = "", generateName = "", resourceVersion = "" } = object.metadata ?? {};
  if (resourceVersion !== "") throw plainFailure("resourceVersion should not be set on objects to be created");
  const generate = givenName === "" && generateName !== "";
  const own = () => {
    if (owners === undefined) trackCreate(registry, context, strategy, object, given);
    else object.metadata = { ...object.metadata, managedFields: [...owners] };
  };
  stamp(registry, object);
  for (let attempt = 1;; attempt++) {
    if (generate) {
      const name = generatedName(generateName, (bound) => registry.random.int(bound));
      object.metadata = { ...object.metadata, name };
    }
    const result = await createNamed(registry, context, strategy, namespace, attempt === 1 ? own : null, object);
    if (result !== "taken") return result;
    const name = object.metadata?.name ?? "";
    if (!generate) throw existsError(strategy, namespace, name);
    if (attempt >= limits.generateNameAttempts) throw generateNameConflict(info, name, 1);
  }
}

/** @param own notes the owners of fields; null after the first attempt: a new name is only defaulted and validated again */
async function createNamed(
  registry: Registry,
  context: WriteContext,
  strategy: Strategy,
  namespace: string,
  own: (() => void) | null,
  object: KubeObject,
): Promise<Written | "taken"> {
  const { info, cache } = strategy;
  if (strategy.prepare !== undefined) await strategy.prepare();
  strategy.setDefaults(object);
  if (own !== null) {
    strategy.prepareForCreate(object);
    own();
    await admitCreate(registry, context, strategy, namespace, object);
  }
  const problems = strategy.validateCreate(object);
  if (problems.length > 0) throw invalid(info, object.metadata?.name ?? "", problems);
  if (own !== null && hasDynamicAdmission(registry)) {
    const write = { operation: "CREATE", namespace, subresource: "" } as const;
    await askValidators(registry, context, admissionOf(strategy, write, object, null));
  }
  const name = object.metadata?.name ?? "";
  const key = keyOf(strategy, namespace, name);
  for (let attempt = 0; attempt < limits.allocationAttempts; attempt++) {
    // An attempt that finds its address taken starts over from the object without it.
    const copy = info === services ? structuredClone(object) : object;
    const allocation: Allocation = sideWritesFor(registry, strategy, copy, null);
    const stored = await bytesToStore(cache.resource, copy);
    if (context.dryRun) {
      if (cache.get(namespace, name) !== undefined) return "taken";
      return { code: 201, bytes: new Uint8Array(encodeAtRest(info, copy)) };
    }
    const outcome = await writeObject(registry, strategy, {
      key,
      expected: 0,
      value: stored,
      side: allocation.side,
      ...(info.namespaced ? { parent: namespaceKey(namespace) } : {}),
    });
    switch (outcome.kind) {
      case "written":
        return { code: 201, bytes: await convertedBytes(cache.resource, stored, outcome.revision) };
      case "conflict":
        return "taken";
      case "parentMissing":
        throw notFound(namespaces, namespace);
      case "sideTaken":
        allocation.onTaken(outcome.taken);
    }
  }
  throw serverTimeout(info, "create", 1);
}

/** The object's namespace must be that of the URL; where it says none, it gets that. */
export function checkNamespace(strategy: Strategy, object: KubeObject, namespace: string): void {
  const meta = object.metadata ??= {};
  if (!strategy.info.namespaced) {
    if ((meta.namespace ?? "") !== "") delete meta.namespace;
    return;
  }
  if ((meta.namespace ?? "") === "") meta.namespace = namespace;
  if (meta.namespace !== namespace) {
    throw badRequest("the namespace of the provided object does not match the namespace sent on the request");
  }
}

/** Fields that only the server sets. */
function stamp(registry: Registry, object: KubeObject): void {
  const meta = object.metadata ??= {};
  meta.uid = registry.random.uuid();
  meta.creationTimestamp = formatTime(registry.clock.now());
  delete meta.deletionTimestamp;
  delete meta.deletionGracePeriodSeconds;
  delete meta.resourceVersion;
  delete meta.managedFields;
  // Kinds that count generations begin at 1, by their own rules.
  delete meta.generation;
}

function existsError(strategy: Strategy, namespace: string, name: string): ApiError {
  const error = alreadyExists(strategy.info, name);
  const cached = strategy.cache.get(namespace, name);
  if (cached === undefined || parseCached(cached).metadata?.deletionTimestamp === undefined) return error;
  return new ApiError({ ...error.status, message: `object is being deleted: ${error.message}` });
}
