import type { Component } from "../../platform/mod.ts";
import { createBatchingTransport, createRestClient, createTransport } from "../../client/mod.ts";
import type { Transport } from "../../client/mod.ts";
import { type SchedulingTiming, startScheduler } from "../../scheduler/mod.ts";
import { layout } from "../home.ts";
import { apiServerUrls } from "../plan.ts";
import { type Entry, readIdentity, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";

/** Timings kept for `/timings`: who wants all of them asks before so many more pods are scheduled. */
const maxTimings = 16_384;

export async function scheduler(entry: Entry): Promise<Component> {
  const { spec, plan, timers, platform } = entry;
  const tls = readIdentity("scheduler");
  const endpoints = apiServerUrls(spec);
  const clientOver = (transport: Transport) =>
    createRestClient(transport, { encoding: "json", userAgent: "sauropod-scheduler" });
  const transport = createTransport({ endpoints, tls }, platform);
  // A renewal that one apiserver leaves unanswered must reach the next before the deadline.
  const requestTimeoutMs = timers.leaderElection.renewDeadlineMs / 3;
  const timings = timingLog();
  const scheduler = startScheduler({
    identity: plan.name,
    schedulerName: "default-scheduler",
    seed: platform.random.int(2 ** 31),
    timers: timers.leaderElection,
    onScheduled: timings.add,
  }, {
    // Binds leave together; so do Events, of which a batch would hold binds up.
    client: clientOver(createBatchingTransport(transport)),
    eventClient: clientOver(createBatchingTransport(transport)),
    electionClient: clientOver(createTransport({ endpoints, tls, requestTimeoutMs }, platform)),
    ...platform,
  });
  // In the cluster's own directory (mode 0700), so no more than that directory's owner can ask.
  const socket = `${layout.run}/${plan.name}.sock`;
  // A predecessor that was killed left its socket; nobody else ever listens under this component's name.
  await platform.disk.remove(socket);
  const server = Deno.serve({ path: socket, onListen: () => {} }, (request) => {
    const url = new URL(request.url);
    if (url.pathname === "/timings") return Response.json(timings.after(Number(url.searchParams.get("after") ?? 0)));
    return new Response("not found", { status: 404 });
  });
  const component = {
    ready: scheduler.ready,
    async stop() {
      await scheduler.stop();
      await server.shutdown();
    },
  };
  return await withMetrics(entry, component, { tls, client: clientOver(transport) });
}

if (import.meta.main) await runEntry(scheduler);

/** The last timings, numbered from 1. */
function timingLog() {
  const ring: SchedulingTiming[] = [];
  let count = 0;
  return {
    add(timing: SchedulingTiming): void {
      ring[count++ % maxTimings] = timing;
    },
    /** Those numbered above `after`, oldest first; `next` is the `after` of the next question. */
    after(after: number): { next: number; timings: SchedulingTiming[] } {
      const from = Math.max(after, count - maxTimings, 0);
      const timings = Array.from({ length: Math.max(0, count - from) }, (_, i) => ring[(from + i) % maxTimings]);
      return { next: count, timings: timings.filter((each) => each !== undefined) };
    },
  };
}
