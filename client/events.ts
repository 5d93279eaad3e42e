import { Deque } from "../base/deque.ts";
import type { KubeObject } from "../api/meta.ts";
import { apiVersionOf, events, type ResourceInfo } from "../api/resources.ts";
import { formatTime } from "../api/time.ts";
import type { Clock, Log, Random, Timers } from "../platform/mod.ts";
import { ApiError, isAlreadyExists, isNotFound } from "./errors.ts";
import * as limits from "./limits.ts";
import type { RestClient } from "./types.ts";

export interface ObjectReference {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly namespace?: string;
  readonly name?: string;
  readonly uid?: string;
  readonly resourceVersion?: string;
  /** e.g. `spec.containers{web}` */
  readonly fieldPath?: string;
}

/** core/v1 Event, as the recorder writes it. */
export interface EventObject extends KubeObject {
  involvedObject: ObjectReference;
  reason?: string;
  message?: string;
  type?: string;
  count?: number;
  firstTimestamp?: string;
  lastTimestamp?: string;
  source?: { component?: string; host?: string };
  reportingComponent?: string;
  reportingInstance?: string;
}

export interface EventRecorder {
  /** Queues an Event about `object`; never waits, never throws. Beyond the bounds it is dropped and counted. */
  event(object: ObjectReference, type: "Normal" | "Warning", reason: string, message: string): void;
  /** Events dropped: queue full, or too many about one object. */
  readonly dropped: number;
  /** Resolves when all that is queued was written or dropped. */
  flush(): Promise<void>;
  /** Drops what is queued; nothing is recorded afterwards. */
  stop(): void;
}

export interface EventRecorderDeps {
  readonly client: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Pick<Random, "next" | "int">;
  readonly log: Log;
}

/** A reference to `object` for {@linkcode EventRecorder.event}. */
export function referenceTo(info: ResourceInfo, object: KubeObject, fieldPath?: string): ObjectReference {
  const { namespace, name, uid, resourceVersion } = object.metadata ?? {};
  return {
    apiVersion: apiVersionOf(info),
    kind: info.kind,
    ...(namespace === undefined ? {} : { namespace }),
    ...(name === undefined ? {} : { name }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
    ...(fieldPath === undefined ? {} : { fieldPath }),
  };
}

interface Series {
  readonly name: string;
  readonly namespace: string;
  count: number;
}

interface Pending {
  readonly object: ObjectReference;
  readonly type: "Normal" | "Warning";
  readonly reason: string;
  message: string;
  /** Milliseconds since the epoch. */
  readonly at: number;
}

/**
 * Records Events as client-go's broadcaster does: an Event that repeats another is a PATCH of its count; more than ten
 * within ten minutes that differ only in their message become one "(combined from similar events)"; per object a burst of
 * 25, then one every five minutes.
 * @param source the component, and the node it runs on when it belongs to one
 */
export function createEventRecorder(
  source: { readonly component: string; readonly host?: string },
  deps: EventRecorderDeps,
): EventRecorder {
  return new Recorder(source, deps);
}

class Recorder implements EventRecorder {
  readonly #source: { readonly component: string; readonly host?: string };
  readonly #deps: EventRecorderDeps;
  readonly #queue = new Deque<Pending>();
  readonly #series = new Recent<Series>(limits.maxEventSeries);
  readonly #similar = new Recent<{ readonly messages: Set<string>; since: number }>(limits.maxEventSeries);
  readonly #tokens = new Recent<{ tokens: number; at: number }>(limits.maxEventSeries);
  readonly #stop = new AbortController();
  #idle: Promise<void> = Promise.resolve();
  #writing = false;
  #dropped = 0;

  constructor(source: { readonly component: string; readonly host?: string }, deps: EventRecorderDeps) {
    this.#source = source;
    this.#deps = deps;
  }

  get dropped(): number {
    return this.#dropped;
  }

  event(object: ObjectReference, type: "Normal" | "Warning", reason: string, message: string): void {
    if (this.#stop.signal.aborted) return;
    if (this.#queue.size >= limits.maxQueuedEvents || !this.#admit(object)) {
      this.#dropped++;
      return;
    }
    this.#queue.push({ object, type, reason, message: clip(message), at: this.#deps.clock.now() });
    if (!this.#writing) {
      this.#writing = true;
      this.#idle = this.#drain();
    }
  }

  flush(): Promise<void> {
    return this.#idle;
  }

  stop(): void {
    this.#stop.abort();
    this.#queue.clear();
  }

  async #drain(): Promise<void> {
    try {
      while (this.#queue.size > 0) await Promise.all(this.#takeRound().map((pending) => this.#write(pending)));
    } finally {
      this.#writing = false;
    }
  }

  /** The next Events, of one object each: those of the same object keep their order, and count up one series. */
  #takeRound(): Pending[] {
    const round: Pending[] = [];
    const objects = new Set<string>();
    while (round.length < limits.maxConcurrentEvents) {
      const next = this.#queue.at(0);
      if (next === undefined || objects.has(identify(next.object))) break;
      objects.add(identify(next.object));
      round.push(next);
      this.#queue.shift();
    }
    return round;
  }

  /** A token bucket per object. */
  #admit(object: ObjectReference): boolean {
    const now = this.#deps.clock.monotonic();
    const key = identify(object);
    const bucket = this.#tokens.get(key) ?? { tokens: limits.eventBurst, at: now };
    bucket.tokens = Math.min(limits.eventBurst, bucket.tokens + (now - bucket.at) / limits.eventRefillMs);
    bucket.at = now;
    this.#tokens.set(key, bucket);
    if (bucket.tokens < 1) return false;
    bucket.tokens -= 1;
    return true;
  }

  async #write(pending: Pending): Promise<void> {
    const { log, random, timers } = this.#deps;
    const group = [identify(pending.object), pending.object.fieldPath ?? "", pending.type, pending.reason].join("\n");
    const key = this.#combine(group, pending);
    for (let tries = 1; !this.#stop.signal.aborted; tries++) {
      try {
        return await this.#writeOnce(key, pending);
      } catch (error) {
        // A refusal stands (the namespace terminates, say); only what may pass later is tried again.
        const final = error instanceof ApiError && error.code !== 429 && error.code < 500;
        if (final || tries >= limits.maxEventTries) {
          this.#dropped++;
          log.debug("event not written", { reason: pending.reason, error: String(error) });
          return;
        }
        await timers.sleep(limits.eventRetryMs * (0.5 + random.next()), this.#stop.signal).catch(() => {});
      }
    }
  }

  /** The series' key. Many messages for one reason become one series whose message says so. */
  #combine(group: string, pending: Pending): string {
    const now = this.#deps.clock.monotonic();
    let similar = this.#similar.get(group);
    if (similar === undefined || now - similar.since > limits.similarEventsWindowMs) {
      similar = { messages: new Set(), since: now };
    }
    this.#similar.set(group, similar);
    if (similar.messages.size < limits.maxSimilarEvents || similar.messages.has(pending.message)) {
      similar.messages.add(pending.message);
      return `${group}\n${pending.message}`;
    }
    pending.message = clip(`(combined from similar events): ${pending.message}`);
    return `${group}\n(combined)`;
  }

  async #writeOnce(key: string, pending: Pending): Promise<void> {
    const { client } = this.#deps;
    const time = formatTime(pending.at);
    const series = this.#series.get(key);
    if (series !== undefined) {
      try {
        await client.patch(events, { name: series.name, namespace: series.namespace }, "merge", {
          count: series.count + 1,
          lastTimestamp: time,
          message: pending.message,
        });
        series.count++;
        return;
      } catch (error) {
        // The Event has expired meanwhile: begin a new one.
        if (!isNotFound(error)) throw error;
        this.#series.delete(key);
      }
    }
    const namespace = pending.object.namespace ?? "default";
    const suffix = (BigInt(Math.trunc(pending.at)) * 1_000_000n + BigInt(this.#deps.random.int(1_000_000))).toString(
      16,
    );
    const name = `${(pending.object.name ?? "unknown").slice(0, 230)}.${suffix}`;
    const event: EventObject = {
      metadata: { name, namespace },
      involvedObject: pending.object,
      reason: pending.reason,
      message: pending.message,
      type: pending.type,
      count: 1,
      firstTimestamp: time,
      lastTimestamp: time,
      source: this.#source,
      reportingComponent: this.#source.component,
      reportingInstance: this.#source.host ?? "",
    };
    try {
      await client.create<EventObject>(events, event);
    } catch (error) {
      // An earlier try whose answer was lost did arrive.
      if (!isAlreadyExists(error)) throw error;
    }
    this.#series.set(key, { name, namespace, count: 1 });
  }
}

/** A map that forgets what was least recently used beyond `bound` entries. */
class Recent<V> {
  readonly #entries = new Map<string, V>();
  readonly #bound: number;
  constructor(bound: number) {
    this.#bound = bound;
  }
  get(key: string): V | undefined {
    return this.#entries.get(key);
  }
  set(key: string, value: V): void {
    this.#entries.delete(key);
    this.#entries.set(key, value);
    if (this.#entries.size > this.#bound) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest);
        break;
      }
    }
  }
  delete(key: string): void {
    this.#entries.delete(key);
  }
}

function identify(object: ObjectReference): string {
  return [object.kind, object.namespace, object.name, object.uid].map((part) => part ?? "").join("/");
}

/** At most `limits.maxEventMessageBytes` bytes of UTF-8, cut between characters. */
function clip(message: string): string {
  if (message.length * 3 <= limits.maxEventMessageBytes) return message;
  const bytes = new Uint8Array(limits.maxEventMessageBytes);
  const { read } = new TextEncoder().encodeInto(message, bytes);
  return message.slice(0, read);
}
