import type { LabelSelector, PodDisruptionBudget } from "../../api/gen/types.ts";
import { matchesSelector, selectorFromObject } from "../../api/labels.ts";
import type { KubeObject } from "../../api/meta.ts";
import { podDisruptionBudgets, pods } from "../../api/resources.ts";
import { ApiError, badRequest, failure, forbidden, notFound, timeout } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { admitToNamespace } from "../admission/namespace_lifecycle.ts";
import { restrictEviction } from "../admission/node_restriction.ts";
import { dig, items, record, text, whole } from "../dig.ts";
import { evictionType } from "../discovery/resources.ts";
import type { Exchange } from "../exchange.ts";
import { limits } from "../limits.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import { remove } from "../registry/delete.ts";
import { deleteOptionsOf } from "../registry/delete_options.ts";
import type { DeleteOptions } from "../registry/deletion.ts";
import { list } from "../registry/list.ts";
import { listOptions } from "../registry/list_options.ts";
import { respondValue } from "../registry/output.ts";
import { selectionOf } from "../registry/selection.ts";
import { keyOf, modify, readCurrent } from "../registry/write.ts";
import { decodeRequest } from "../request_body.ts";
import type { ResourceRequest } from "../request_info.ts";
import { agree, fieldValidation, writeContext } from "../resource_handler.ts";
import { parseCached } from "../watchcache/cached.ts";

/**
 * POST pods/NAME/eviction: deletes the pod if its disruption budget allows, and counts it against the budget.
 * @see kubernetes pkg/registry/core/pod/storage/eviction.go
 */
export async function handleEviction(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const negotiated = agree(exchange, { shapes: false });
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const { object: eviction, warnings } = decodeRequest<KubeObject>(exchange.body, contentType, evictionType, {
    fieldValidation: fieldValidation(exchange),
    expect: { group: "policy", version: "v1", kind: "Eviction" },
  });
  exchange.warnings.push(...warnings);
  const { namespace, name } = request;
  if ((eviction.metadata?.name ?? "") !== name) {
    throw badRequest("name in URL does not match name in Eviction object");
  }
  await admitToNamespace(registry, pods, namespace, name);
  const options = deleteOptionsOf(dig(eviction, "deleteOptions"), exchange.url.searchParams.getAll("dryRun"));
  const context = { ...writeContext(exchange), dryRun: options.dryRun };
  await evict(registry, context, { namespace, name }, options);
  const success = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 };
  return respondValue(201, success, negotiated);
}

interface Target {
  readonly namespace: string;
  readonly name: string;
}

async function evict(registry: Registry, context: WriteContext, target: Target, options: DeleteOptions): Promise<void> {
  const strategy = registry.strategy(pods);
  const attempts = options.resourceVersion === undefined ? limits.evictionAttempts : 1;
  const deletePod = (resourceVersion: string | undefined) =>
    remove(registry, context, strategy, target.namespace, target.name, {
      ...options,
      resourceVersion: options.resourceVersion ?? resourceVersion,
    });
  for (let attempt = 1;; attempt++) {
    const { object: pod } = await readCurrent(registry, keyOf(strategy, target.namespace, target.name));
    if (pod === null) throw notFound(pods, target.name);
    restrictEviction(context.user, text(dig(pod, "spec", "nodeName")), target.name);
    const version = pod.metadata?.resourceVersion;
    const budget = isBeyondBudgets(pod) ? null : await budgetOf(registry, pod);
    // A pod that becomes ready meanwhile must not slip past its budget: the delete is for the pod as it was seen.
    const isGuarded = isBeyondBudgets(pod) ? !isOver(pod) : budget !== null && needsNoBudget(pod, budget);
    if (budget !== null && !isGuarded) await spend(registry, context, budget, target.name);
    try {
      await deletePod(isGuarded ? version : undefined);
      return;
    } catch (error) {
      if (!isConflict(error) || options.resourceVersion !== undefined || !isGuarded) throw error;
      if (budget !== null) throw busy(nameOf(budget));
      if (attempt >= attempts) throw error;
    }
  }
}

function isConflict(error: unknown): boolean {
  return error instanceof ApiError && error.reason === "Conflict";
}

/** A pod that does not run, or no longer will, is not part of what a budget protects. */
function isBeyondBudgets(pod: KubeObject): boolean {
  return isOver(pod) || dig(pod, "status", "phase") === "Pending";
}

function isOver(pod: KubeObject): boolean {
  const phase = dig(pod, "status", "phase");
  return phase === "Succeeded" || phase === "Failed" || pod.metadata?.deletionTimestamp !== undefined;
}

/** The one budget whose selector matches; null for none. @throws ApiError 500 when there are several */
async function budgetOf(registry: Registry, pod: KubeObject): Promise<PodDisruptionBudget | null> {
  const { cache } = registry.strategy(podDisruptionBudgets);
  const none = new URLSearchParams();
  const all = selectionOf(cache.resource, none);
  const page = await list(registry, cache, pod.metadata?.namespace ?? "", all, listOptions(none, false));
  const [budget, ...more] = page.objects.map((cached) => parseCached(cached) as PodDisruptionBudget)
    .filter((it) => selects(it.spec?.selector, pod));
  if (more.length === 0) return budget ?? null;
  throw new ApiError({
    kind: "Status",
    apiVersion: "v1",
    metadata: {},
    status: "Failure",
    message: "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
    code: 500,
  });
}

/** An empty selector selects every pod; an absent or broken one selects nothing. */
function selects(object: LabelSelector | undefined, pod: KubeObject): boolean {
  let selector;
  try {
    selector = selectorFromObject(object);
  } catch {
    return false;
  }
  return selector !== undefined && matchesSelector(selector, pod.metadata?.labels);
}

/** A pod that is not ready does not count as healthy: to lose it costs the budget nothing. */
function needsNoBudget(pod: KubeObject, budget: PodDisruptionBudget): boolean {
  const isReady = items(dig(pod, "status", "conditions")).map(record)
    .some((it) => it["type"] === "Ready" && it["status"] === "True");
  if (isReady) return false;
  if (budget.spec?.unhealthyPodEvictionPolicy === "AlwaysAllow") return true;
  const { currentHealthy = 0, desiredHealthy = 0 } = budget.status ?? {};
  return currentHealthy >= desiredHealthy && desiredHealthy > 0;
}

/** Takes one from the budget's allowance and names the pod in it, so that the disruption controller expects its end. */
async function spend(registry: Registry, context: WriteContext, budget: PodDisruptionBudget, pod: string) {
  const name = nameOf(budget);
  try {
    await modify(registry, context, {
      strategy: registry.strategy(podDisruptionBudgets),
      namespace: budget.metadata?.namespace ?? "",
      name,
      attempts: limits.evictionAttempts,
      next: ({ object }) => {
        if (object === null) throw notFound(podDisruptionBudgets, name);
        return { kind: "put", object: spent(object as PodDisruptionBudget, pod, formatTime(registry.clock.now())) };
      },
    });
  } catch (error) {
    if (!isConflict(error)) throw error;
    throw timeout(`couldn't update PodDisruptionBudget ${JSON.stringify(name)} due to conflicts`, 10);
  }
}

const budgetResource = { group: "policy", resource: "poddisruptionbudget" };

function spent(budget: PodDisruptionBudget, pod: string, now: string): KubeObject {
  const name = nameOf(budget);
  const status = record(budget.status);
  if (whole(status["observedGeneration"]) < (budget.metadata?.generation ?? 0)) throw busy(name);
  const allowed = whole(status["disruptionsAllowed"]);
  if (allowed < 0) throw forbidden(budgetResource, name, "pdb disruptions allowed is negative");
  const disrupted = record(status["disruptedPods"]);
  if (Object.keys(disrupted).length > limits.disruptedPods) {
    const why = "DisruptedPods map too big - too many evictions not confirmed by PDB controller";
    throw forbidden(budgetResource, name, why);
  }
  if (allowed === 0) throw violated(name, budget);
  const changed = {
    ...status,
    disruptionsAllowed: allowed - 1,
    disruptedPods: { ...disrupted, [pod]: now },
    ...(allowed === 1 ? { conditions: withoutAllowance(budget, now) } : {}),
  };
  return { ...budget, status: changed } as KubeObject;
}

function withoutAllowance(budget: PodDisruptionBudget, now: string): unknown[] {
  const conditions = items(budget.status?.conditions).map(record);
  const before = conditions.find((it) => it["type"] === "DisruptionAllowed");
  const condition = {
    type: "DisruptionAllowed",
    status: "False",
    observedGeneration: whole(record(budget.status)["observedGeneration"]),
    lastTransitionTime: before?.["status"] === "False" ? before["lastTransitionTime"] : now,
    reason: "InsufficientPods",
    message: "",
  };
  return [...conditions.filter((it) => it !== before), condition];
}

function nameOf(budget: PodDisruptionBudget): string {
  return budget.metadata?.name ?? "";
}

/** The budget's controller has not seen its last change yet. */
function busy(name: string): ApiError {
  return refused(`The disruption budget ${name} is still being processed by the server.`, 10);
}

function violated(name: string, budget: PodDisruptionBudget): ApiError {
  const failed = items(budget.status?.conditions).map(record).find((it) =>
    it["type"] === "DisruptionAllowed" && it["status"] === "False" && it["reason"] === "SyncFailed" &&
    text(it["message"]) !== ""
  );
  if (failed !== undefined) {
    const why = `does not allow evicting pods currently because it failed sync: ${text(failed["message"])}`;
    return refused(`The disruption budget ${name} ${why}`, 0);
  }
  const { desiredHealthy = 0, currentHealthy = 0 } = budget.status ?? {};
  return refused(
    `The disruption budget ${name} needs ${desiredHealthy} healthy pods and has ${currentHealthy} currently`,
    0,
  );
}

function refused(message: string, retryAfterSeconds: number): ApiError {
  return new ApiError(failure("TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
    causes: [{ reason: "DisruptionBudget", message }],
    ...(retryAfterSeconds > 0 ? { retryAfterSeconds } : {}),
  }));
}
