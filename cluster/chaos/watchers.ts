import { configMaps } from "../../api/resources.ts";
import { ApiError, atLeast, latest } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Clock, Timers } from "../../platform/mod.ts";
import * as limits from "./limits.ts";
import type { Register } from "./load.ts";

export interface WatchedEvent {
  readonly type: "ADDED" | "MODIFIED" | "DELETED";
  readonly key: string;
  readonly value: string;
  readonly resourceVersion: string;
  /** Monotonic milliseconds. */
  readonly at: number;
}

export interface WatchRecord {
  readonly events: readonly WatchedEvent[];
  /** How often the watch ended and was opened again from where it was. */
  readonly resumes: number;
  /** How often it had to begin anew from a list, which may skip versions. */
  readonly relists: number;
}

export interface Watcher {
  readonly record: WatchRecord;
  /** The version up to which everything was seen. */
  readonly seen: string;
  stop(): Promise<void>;
}

/** Watches the experiment's ConfigMaps from `resourceVersion` on, resuming whenever the watch ends. */
export function startWatcher(
  config: { readonly namespace: string; readonly resourceVersion: string },
  client: RestClient,
  deps: { readonly clock: Clock; readonly timers: Timers },
): Watcher {
  const stop = new AbortController();
  const events: WatchedEvent[] = [];
  const record = { events, resumes: 0, relists: 0 };
  let seen = config.resourceVersion;

  async function once(): Promise<void> {
    const options = { namespace: config.namespace, resourceVersion: seen, allowWatchBookmarks: true };
    for await (const change of client.watch<Register>(configMaps, { ...options, signal: stop.signal })) {
      if (change.type === "ERROR") {
        if (change.object.code === 410) await relist();
        return;
      }
      const { name = "", resourceVersion = "" } = change.object.metadata ?? {};
      // Kept as it comes: order and repetition are judged afterwards.
      if (change.type !== "BOOKMARK") {
        if (events.length < limits.operationsMax) {
          const { type, object } = change;
          events.push({
            type,
            key: name,
            value: object.data?.value ?? "",
            resourceVersion,
            at: deps.clock.monotonic(),
          });
        }
      }
      seen = latest(seen, resourceVersion);
    }
  }

  async function relist(): Promise<void> {
    record.relists++;
    const list = await client.list<Register>(configMaps, { namespace: config.namespace });
    seen = latest(seen, list.metadata.resourceVersion ?? "");
  }

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      try {
        await once();
      } catch (error) {
        if (error instanceof ApiError && error.code === 410) await relist().catch(() => {});
      }
      if (stop.signal.aborted) return;
      record.resumes++;
      await deps.timers.sleep(limits.watchRetryMs, stop.signal).catch(() => {});
    }
  }
  const running = run();

  return {
    record,
    get seen() {
      return seen;
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

export interface WatchVerdict {
  /** Events that one watcher got and another did not, or that were acknowledged and seen by nobody. */
  readonly gaps: number;
  readonly duplicates: number;
  readonly disorders: number;
  readonly resumes: number;
  readonly relists: number;
  readonly events: number;
}

/**
 * Every watcher must have seen the same versions, each once, in order. A watcher that had to list anew is excused from
 * completeness, and said so (`relists`).
 */
export function judgeWatches(records: readonly WatchRecord[], acknowledged: readonly string[]): WatchVerdict {
  const all = new Set(acknowledged);
  for (const { events } of records) for (const { resourceVersion } of events) all.add(resourceVersion);
  let gaps = 0, duplicates = 0, disorders = 0, resumes = 0, relists = 0, count = 0;
  for (const { events, ...each } of records) {
    const own = new Set<string>();
    let last = "";
    for (const { resourceVersion } of events) {
      if (own.has(resourceVersion)) duplicates++;
      else if (last !== "" && !atLeast(resourceVersion, last)) disorders++;
      own.add(resourceVersion);
      last = latest(last, resourceVersion);
    }
    if (each.relists === 0) gaps += all.size - own.size;
    resumes += each.resumes;
    relists += each.relists;
    count += events.length;
  }
  return { gaps, duplicates, disorders, resumes, relists, events: count };
}
