import type { KubeObject } from "../api/meta.ts";
import { ApiError } from "../api/status.ts";
import type { Clock } from "../platform/mod.ts";
import { type EventRecorder, isAlreadyExists, isNotFound, keyOf, referenceTo, type RestClient } from "../client/mod.ts";
import type { Action, Announcement } from "./core/action.ts";
import type { Watched } from "./informers.ts";
import * as limits from "./limits.ts";
import type { OwnWrites } from "./own_writes.ts";

export interface ExecuteDeps {
  readonly client: RestClient;
  readonly recorder: EventRecorder;
  readonly clock: Clock;
  readonly watched: readonly Watched[];
}

/** An action that failed, for controllers that show the failure in their object's status. */
export class ActionError extends Error {
  override readonly name = "ActionError";
  readonly action: Action;
  constructor(action: Action, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.action = action;
  }
}

/** Carries `actions` out in order, stopping at the first that fails (an {@linkcode ActionError}) or when `signal` aborts. */
export async function execute(
  key: string,
  actions: readonly Action[],
  writes: OwnWrites,
  deps: ExecuteDeps,
  signal: AbortSignal,
): Promise<void> {
  for (const action of actions) {
    if (signal.aborted) return;
    try {
      await run(key, action, writes, deps, signal);
    } catch (error) {
      if (isNamespaceTerminating(error)) return;
      throw new ActionError(action, error);
    }
  }
}

async function run(
  key: string,
  action: Action,
  writes: OwnWrites,
  deps: ExecuteDeps,
  signal: AbortSignal,
): Promise<void> {
  const { client } = deps;
  switch (action.kind) {
    case "announce":
      return announce(deps, action.event, {});
    case "create": {
      const created = await announced(action, deps, action.object, () => client.create(action.info, action.object));
      return wrote(created);
    }
    case "createMany":
      return await slowStart(action.objects, signal, async (object) => {
        wrote(await announced(action, deps, object, () => client.create(action.info, object)));
      });
    case "updateStatus":
      return wrote(await client.update(action.info, action.object, "status"));
    case "patch": {
      const { object, patch, anyVersion, subresource } = action;
      const { uid, resourceVersion, name = "", namespace } = object.metadata ?? {};
      const metadata = { ...asRecord(patch["metadata"]), uid, ...(anyVersion === true ? {} : { resourceVersion }) };
      const target = {
        name,
        ...(namespace === undefined ? {} : { namespace }),
        ...(subresource === undefined ? {} : { subresource }),
      };
      const body = { ...patch, metadata };
      return wrote(await announced(action, deps, object, () => client.patch(action.info, target, "merge", body)));
    }
    case "delete":
      return await inBatches(action.objects, limits.maxBatch, signal, async (object) => {
        const { uid = "", resourceVersion, name = "", namespace } = object.metadata ?? {};
        const { gracePeriodSeconds, propagationPolicy, sameVersion } = action;
        await announced(action, deps, object, async () => {
          try {
            await client.delete(action.info, name, namespace, {
              preconditions: {
                uid,
                ...(sameVersion === true && resourceVersion !== undefined ? { resourceVersion } : {}),
              },
              ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
              ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
            });
          } catch (error) {
            if (!isNotFound(error)) throw error;
          }
          return object;
        });
        const informer = informerOf(action, deps);
        if (informer !== undefined) writes.deleted(key, informer, { key: keyOf(object), uid }, deps.clock.monotonic());
      });
  }

  function wrote(object: KubeObject): void {
    const informer = informerOf(action, deps);
    const now = deps.clock.monotonic();
    if (informer !== undefined) writes.wrote(key, informer, object.metadata?.resourceVersion, now);
  }
}

function informerOf(action: Action, deps: ExecuteDeps): Watched["informer"] | undefined {
  return action.kind === "announce"
    ? undefined
    : deps.watched.find(({ info }) => info.type === action.info.type)?.informer;
}

/** A few first, then twice as many each time: when all would fail alike (a quota, say), few are tried. */
async function slowStart<T>(items: readonly T[], signal: AbortSignal, work: (item: T) => Promise<void>): Promise<void> {
  let size = limits.slowStartInitialBatch;
  for (let at = 0; at < items.length && !signal.aborted;) {
    const batch = items.slice(at, at + size);
    await allOf(batch, work);
    at += batch.length;
    size = Math.min(2 * size, limits.maxBatch);
  }
}

async function inBatches<T>(
  items: readonly T[],
  size: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < items.length && !signal.aborted; at += size) await allOf(items.slice(at, at + size), work);
}

/** All are tried; the first failure is thrown when all are through. */
async function allOf<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const outcomes = await Promise.allSettled(items.map(work));
  for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
}

async function announced(
  action: { readonly done?: Announcement; readonly failed?: Announcement },
  deps: ExecuteDeps,
  object: Readonly<KubeObject>,
  work: () => Promise<Readonly<KubeObject>>,
): Promise<KubeObject> {
  try {
    const result = await work();
    const name = result.metadata?.name ?? object.metadata?.name ?? "";
    if (action.done !== undefined) announce(deps, action.done, { name });
    return result;
  } catch (error) {
    // That a name is taken often means that the informer is behind: no news for users, and none upstream.
    if (action.failed !== undefined && !isNamespaceTerminating(error) && !isAlreadyExists(error)) {
      const text = error instanceof Error ? error.message : String(error);
      announce(deps, action.failed, { name: object.metadata?.name ?? "", error: text });
    }
    throw error;
  }
}

function announce(deps: ExecuteDeps, event: Announcement, values: { name?: string; error?: string }): void {
  const message = event.message.replace(/\{(name|error)\}/g, (_, field: "name" | "error") => values[field] ?? "");
  deps.recorder.event(referenceTo(event.info, event.about), event.type, event.reason, message);
}

/** Creating in a namespace that is going away is pointless, not a failure. */
function isNamespaceTerminating(error: unknown): boolean {
  return error instanceof ApiError && error.hasCause("NamespaceTerminating");
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null ? value as Record<string, unknown> : {};
}
