import assert from "node:assert/strict";
import { events, pods } from "../api/resources.ts";
import { createEventRecorder, type EventObject, referenceTo } from "./events.ts";
import * as limits from "./limits.ts";
import { createFakeApi, createTestRandom, createVirtualTime, silentLog } from "./testing.ts";

function setUp() {
  const time = createVirtualTime();
  const api = createFakeApi({ clock: time.clock });
  const recorder = createEventRecorder(
    { component: "kubelet", host: "w1" },
    { client: api.client, clock: time.clock, timers: time.timers, random: createTestRandom(1), log: silentLog },
  );
  const reference = referenceTo(pods, { metadata: { name: "p", namespace: "n", uid: "u" } });
  return { time, api, recorder, reference, written: () => api.objects<EventObject>(events) };
}

Deno.test("createEventRecorder() writes an Event once and PATCHes the count of its repetitions", async () => {
  const { time, recorder, reference, written } = setUp();
  recorder.event(reference, "Normal", "Pulled", "image is there");
  await time.advance(1500);
  recorder.event(reference, "Normal", "Pulled", "image is there");
  recorder.event(reference, "Warning", "Failed", "no such image");
  await time.advance(0);
  await recorder.flush();
  const [pulled, failed] = written();
  assert.equal(written().length, 2);
  assert.deepEqual([pulled?.count, pulled?.firstTimestamp, pulled?.lastTimestamp], [
    2,
    "2026-01-01T00:00:00Z",
    "2026-01-01T00:00:01Z",
  ]);
  assert.deepEqual(pulled?.involvedObject, { apiVersion: "v1", kind: "Pod", namespace: "n", name: "p", uid: "u" });
  assert.deepEqual(pulled?.source, { component: "kubelet", host: "w1" });
  assert.equal(failed?.type, "Warning");
  assert.match(pulled?.metadata?.name ?? "", /^p\.[0-9a-f]+$/);
});

Deno.test("createEventRecorder() combines events that differ only in their message beyond ten", async () => {
  const { time, recorder, reference, written } = setUp();
  for (let i = 0; i < 14; i++) recorder.event(reference, "Warning", "BackOff", `try ${i}`);
  await time.advance(0);
  await recorder.flush();
  const combined = written().filter((event) => event.message?.startsWith("(combined from similar events): "));
  assert.equal(written().length, limits.maxSimilarEvents + 1);
  assert.deepEqual(combined.map((event) => [event.count, event.message]), [[
    4,
    "(combined from similar events): try 13",
  ]]);
});

Deno.test("createEventRecorder() lets one object burst and then drops, while others pass", async () => {
  const { time, recorder, reference, written } = setUp();
  for (let i = 0; i < limits.eventBurst + 5; i++) recorder.event(reference, "Normal", "Tick", "tick");
  recorder.event({ ...reference, name: "other", uid: "o" }, "Normal", "Tick", "tick");
  await time.advance(0);
  await recorder.flush();
  assert.equal(recorder.dropped, 5);
  assert.deepEqual(written().map((event) => event.count), [limits.eventBurst, 1]);
  await time.advance(limits.eventRefillMs);
  recorder.event(reference, "Normal", "Tick", "tick");
  await time.advance(0);
  assert.equal(written()[0]?.count, limits.eventBurst + 1);
});

Deno.test("createEventRecorder() begins a new Event when the old one has expired, and tries again after a failure", async () => {
  const { time, api, recorder, reference, written } = setUp();
  recorder.event(reference, "Normal", "Pulled", "x");
  await time.advance(0);
  await api.client.delete(events, written()[0]?.metadata?.name ?? "", "n");
  let failures = 1;
  api.intercept = (verb) => verb === "create" && failures-- > 0 ? new Error("reset") : null;
  recorder.event(reference, "Normal", "Pulled", "x");
  await time.advance(limits.eventRetryMs * 2);
  assert.deepEqual(written().map((event) => event.count), [1]);
  recorder.stop();
});
