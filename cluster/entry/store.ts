import { lossyDisk } from "../../platform/faults/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { createWrongRaft, startMember, StoreError, storeLimits } from "../../store/mod.ts";
import { storeClientAddress, storeMembers, storeName, storePeerAddress } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { removedExitCode } from "../store_environment.ts";
import { memberOptions } from "../store_options.ts";
import { type Entry, runEntry } from "./_entry.ts";
import { withMetrics } from "./_serving.ts";
import { openTracer } from "./_tracing.ts";

const rolePollMs = 100;
/** The commit index moves all the time: telling it once a second is enough for people. */
const detailEveryPolls = 10;

export async function store(entry: Entry): Promise<Component> {
  const { spec, plan, index, timers, platform: real, reportRole } = entry;
  const { bug } = spec;
  if (bug !== undefined) real.log.warn("TEST-ONLY: this store is wrong on purpose", { bug });
  const platform = spec.losesPageCache === true
    ? { ...real, disk: lossyDisk(real.disk, { skipSync: bug === "skip-fsync" }) }
    : real;
  const { tracer, closing } = openTracer(plan.name, real);
  const member = await startMember(
    {
      clusterId: spec.clusterId,
      id: plan.name,
      members: storeMembers(spec).map((number) => ({
        id: storeName(number),
        peerAddress: storePeerAddress(number),
        clientAddress: storeClientAddress(number),
      })),
      join: index >= spec.controlPlanes,
      dataDirectory: `data/${plan.name}`,
      timers: timers.store,
      ...memberOptions(spec.storeOptions ?? {}),
      ...(spec.leaseCheckpoints === true ? { leaseCheckpointIntervalMs: storeLimits.leaseCheckpointIntervalMs } : {}),
    },
    { ...platform, tracer },
    bug === undefined || bug === "skip-fsync" ? {} : { createRaft: (config) => createWrongRaft(bug, config) },
  ).catch(async (error) => {
    if (wasRemoved(error)) await endRemoved(spec, plan.name);
    throw error;
  });
  let polls = 0;
  let detail = "";
  const watchRole = () => {
    const { leaderId, term, commitIndex, revision } = member.status();
    if (polls++ % detailEveryPolls === 0) detail = `term ${term}, commit ${commitIndex}, revision ${revision}`;
    reportRole(leaderId === plan.name ? "leader" : leaderId === "" ? "no leader" : "follower", detail);
    platform.timers.schedule(rolePollMs, watchRole);
  };
  watchRole();
  // A member whose disk failed has stopped itself: a new process reads what is durable and begins again.
  member.failed.then(async (error) => {
    platform.log.error("the member has stopped itself", { error: error.message });
    if (wasRemoved(error)) await endRemoved(spec, plan.name);
    Deno.exit(1);
  });
  return await withMetrics(entry, closing(member));
}

/** Where all share this process, it begins again, without the member. */
async function endRemoved(spec: ClusterSpec, name: string): Promise<void> {
  if (spec.allInOne !== true) Deno.exit(removedExitCode);
  const { changeStoreMembers, without } = await import("../members.ts");
  await changeStoreMembers(Deno.cwd(), without(name));
  Deno.exit(1);
}

function wasRemoved(error: unknown): boolean {
  return error instanceof StoreError && error.code === "MemberNotFound";
}

if (import.meta.main) await runEntry(store);
