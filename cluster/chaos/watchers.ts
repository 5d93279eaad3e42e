import { configMaps } from "../../api/resources.ts";
import { ApiError, atLeast, latest } from "../../client/mod.ts";
import type { RestClient } from "../../client/types.ts";
import type { Clock, Timers } from "../../platform/mod.ts";
import * as limits from "./limits.ts";
import type { Register } from "./api_registers.ts";

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

/** One stretch of a watch, from behind `from` on: every event goes to `onEvent`; ends when the watch ends. */
export type OpenWatch = (
  from: string,
  onEvent: (event: Omit<WatchedEvent, "at">) => void,
  /** Everything up to this version has been told. */
  onProgress: (version: string) => void,
  signal: AbortSignal,
) => Promise<"ended" | "compacted">;

export interface WatcherConfig {
  readonly from: string;
  readonly open: OpenWatch;
  /** The version to go on from when the old one has been compacted. */
  readonly relist: () => Promise<string>;
}

/** Watches from a version on, resuming whenever the watch ends. */
export function startWatcher(
  config: WatcherConfig,
  deps: { readonly clock: Clock; readonly timers: Timers },
): Watcher {
  const stop = new AbortController();
  const events: WatchedEvent[] = [];
  const record = { events, resumes: 0, relists: 0 };
  let seen = config.from;

  async function run(): Promise<void> {
    while (!stop.signal.aborted) {
      const end = await config.open(
        seen,
        (event) => {
          // Kept as it comes: order and repetition are judged afterwards.
          if (events.length < limits.operationsMax) events.push({ ...event, at: deps.clock.monotonic() });
          seen = latest(seen, event.resourceVersion);
        },
        (version) => void (seen = latest(seen, version)),
        stop.signal,
      ).catch(() => "ended" as const);
      if (stop.signal.aborted) return;
      if (end === "compacted") {
        record.relists++;
        seen = latest(seen, await config.relist().catch(() => ""));
      }
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

/** Every event behind `from` up to `until`; null when that is not to be had any more, or not in time. */
export async function replayWatch(
  open: OpenWatch,
  from: string,
  until: string,
  timers: Timers,
): Promise<Omit<WatchedEvent, "at">[] | null> {
  const events: Omit<WatchedEvent, "at">[] = [];
  const stop = new AbortController();
  let seen = from;
  const enough = (version: string) => {
    seen = latest(seen, version);
    if (atLeast(seen, until)) stop.abort();
  };
  const timer = timers.schedule(limits.drainMs, () => stop.abort());
  const onEvent = (event: Omit<WatchedEvent, "at">) => {
    events.push(event);
    enough(event.resourceVersion);
  };
  const end = await open(from, onEvent, enough, stop.signal).catch(() => "ended" as const);
  timer.cancel();
  return end === "compacted" ? null : events;
}

/** The ConfigMaps of one namespace, by one apiserver's client. */
export function watchConfigMaps(client: RestClient, namespace: string): Pick<WatcherConfig, "open" | "relist"> {
  return {
    async open(from, onEvent, onProgress, signal) {
      const options = { namespace, resourceVersion: from, allowWatchBookmarks: true, signal };
      try {
        for await (const change of client.watch<Register>(configMaps, options)) {
          if (change.type === "ERROR") return change.object.code === 410 ? "compacted" : "ended";
          const { name = "", resourceVersion = "" } = change.object.metadata ?? {};
          if (change.type === "BOOKMARK") onProgress(resourceVersion);
          else onEvent({ type: change.type, key: name, value: change.object.data?.value ?? "", resourceVersion });
        }
        return "ended";
      } catch (error) {
        return error instanceof ApiError && error.code === 410 ? "compacted" : "ended";
      }
    },
    async relist() {
      return (await client.list<Register>(configMaps, { namespace })).metadata.resourceVersion ?? "";
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
