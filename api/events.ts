/**
 * One Event has two faces: the core group's, as it is stored, and that of events.k8s.io. The same fields under other
 * names. Pure.
 * @see KEP-383; kubernetes pkg/apis/events/v1/conversion.go
 */
import type { CoreV1Event, EventsV1Event } from "./gen/types.ts";

const names = {
  count: "deprecatedCount",
  firstTimestamp: "deprecatedFirstTimestamp",
  involvedObject: "regarding",
  lastTimestamp: "deprecatedLastTimestamp",
  message: "note",
  reportingComponent: "reportingController",
  source: "deprecatedSource",
} as const satisfies Partial<Record<keyof CoreV1Event, keyof EventsV1Event>>;

const renamed: ReadonlyMap<string, string> = new Map(Object.entries(names));
const original: ReadonlyMap<string, string> = new Map(Object.entries(names).map(([old, now]) => [now, old]));

function rename(object: object, to: ReadonlyMap<string, string>, apiVersion: string): Record<string, unknown> {
  const fields = Object.entries(object).map(([name, value]) => [to.get(name) ?? name, value]);
  return { ...Object.fromEntries(fields), apiVersion, kind: "Event" };
}

/** The stored face of an Event of events.k8s.io. Shares what it is made of. */
export function asCoreEvent(event: Readonly<EventsV1Event>): CoreV1Event {
  const core = rename(event, original, "v1");
  // The core group has a structure here, never nothing.
  return { involvedObject: {}, ...core } as CoreV1Event;
}

/** A stored Event as events.k8s.io shows it. Shares what it is made of. */
export function asNewEvent(event: Readonly<CoreV1Event>): EventsV1Event {
  return rename(event, renamed, "events.k8s.io/v1") as unknown as EventsV1Event;
}
