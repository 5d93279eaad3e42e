import assert from "node:assert/strict";
import { createMetrics } from "../platform/metrics.ts";
import { leases } from "../api/resources.ts";
import { type LeaderElection, type LeaseObject, releaseLease, runLeaderElection } from "./leader_election.ts";
import { createFakeApi, createTestRandom, createVirtualTime, settle, silentLog } from "./testing.ts";

const timing = { leaseDurationMs: 2000, renewDeadlineMs: 1500, retryPeriodMs: 250 };

function setUp() {
  const time = createVirtualTime();
  const api = createFakeApi({ clock: time.clock });
  const log: string[] = [];
  const cut = new Set<string>();
  const metrics = new Map<string, ReturnType<typeof createMetrics>>();
  function candidate(identity: string, seed: number): LeaderElection {
    const client = { ...api.client };
    // A candidate that is cut off gets no answer to writes and reads; its watch stays silent as well as open.
    const guard = <A extends unknown[], R>(fn: (...args: A) => Promise<R>) => (...args: A) =>
      cut.has(identity) ? Promise.reject(new Error("no route")) : fn(...args);
    client.update = guard(api.client.update) as typeof client.update;
    client.get = guard(api.client.get) as typeof client.get;
    const own = createMetrics();
    metrics.set(identity, own);
    return runLeaderElection({
      namespace: "kube-system",
      name: "test",
      identity,
      ...timing,
      onStartedLeading: (leadership) => {
        log.push(`${Math.round(time.clock.monotonic())} ${identity} leads`);
        leadership.addEventListener("abort", () => log.push(`${Math.round(time.clock.monotonic())} ${identity} stops`));
      },
    }, {
      client,
      clock: time.clock,
      timers: time.timers,
      random: createTestRandom(seed),
      log: silentLog,
      metrics: own,
    });
  }
  const holder = () => api.objects<LeaseObject>(leases)[0]?.spec?.holderIdentity;
  async function stop(...elections: LeaderElection[]) {
    const stopped = Promise.all(elections.map((each) => each.stop()));
    await time.advance(5000);
    await stopped;
  }
  const status = (identity: string) =>
    /^leader_election_master_status\{name="test"\} (\d)$/m.exec(metrics.get(identity)?.text() ?? "")?.[1];
  return { time, api, log, cut, candidate, holder, stop, status };
}

Deno.test("runLeaderElection() elects exactly one of three candidates, which keeps renewing", async () => {
  const { time, candidate, log, holder, stop } = setUp();
  const all = [candidate("a", 1), candidate("b", 2), candidate("c", 3)];
  await time.advance(20_000);
  assert.equal(log.length, 1);
  assert.equal(all.filter((each) => each.isLeader).length, 1);
  assert.equal(holder(), all.find((each) => each.isLeader)?.leader);
  await stop(...all);
});

Deno.test("runLeaderElection() shows in leader_election_master_status whether it leads", async () => {
  const { time, candidate, stop, status } = setUp();
  const a = candidate("a", 1);
  assert.equal(status("a"), "0");
  await time.advance(5_000);
  const b = candidate("b", 2);
  await time.advance(1_000);
  assert.deepEqual([status("a"), status("b")], ["1", "0"]);
  await stop(a);
  assert.deepEqual([status("a"), status("b")], ["0", "1"]);
  await stop(b);
});

Deno.test("runLeaderElection() keeps its lead when three renewals of four fail, and asks again soon after each", async () => {
  const { time, api, candidate, log, stop } = setUp();
  const leader = candidate("a", 1);
  await time.advance(100);
  const standby = candidate("b", 2);
  let tries = 0;
  api.intercept = (verb) => verb === "update" && ++tries % 4 !== 0 ? new Error("overloaded") : null;
  await time.advance(20_000);
  assert.deepEqual(log, ["0 a leads"]);
  // One period, three quarters of one, and the renewal that succeeds.
  assert.ok(tries > 20_000 / timing.retryPeriodMs, `${tries} tries`);
  api.intercept = () => null;
  await stop(leader, standby);
});

Deno.test("runLeaderElection() releases on stop, and another takes over at once rather than after the lease", async () => {
  const { time, candidate, holder, stop } = setUp();
  const a = candidate("a", 1);
  await time.advance(100);
  const b = candidate("b", 2);
  await time.advance(1000);
  assert.equal(a.isLeader, true);
  const stopped = a.stop();
  await time.advance(10);
  await stopped;
  await settle();
  assert.equal(b.isLeader, true);
  assert.equal(holder(), "b");
  await stop(b);
  assert.equal(holder(), "");
});

Deno.test("runLeaderElection(): a leader cut off stops before any other may lead", async () => {
  const { time, candidate, log, cut, stop } = setUp();
  const a = candidate("a", 1);
  await time.advance(100);
  const b = candidate("b", 2);
  await time.advance(1000);
  cut.add("a");
  await time.advance(4000);
  assert.equal(b.isLeader, true);
  assert.deepEqual(log.map((line) => line.slice(line.indexOf(" ") + 1)), ["a leads", "a stops", "b leads"]);
  const [, stopsAt = 0, leadsAt = 0] = log.map((line) => Number(line.split(" ")[0]));
  assert.ok(stopsAt <= leadsAt && leadsAt - 1100 <= 2000 + 50, log.join("; "));
  await stop(a, b);
});

Deno.test("runLeaderElection() goes by its own clock: a Lease with a renewTime in the far future expires all the same", async () => {
  const { time, api, candidate, log, stop } = setUp();
  await api.client.create<LeaseObject>(leases, {
    metadata: { name: "test", namespace: "kube-system" },
    spec: { holderIdentity: "ghost", leaseDurationSeconds: 2, renewTime: "2099-01-01T00:00:00.000000Z" },
  });
  const a = candidate("a", 1);
  await time.advance(1900);
  assert.deepEqual(log, []);
  await time.advance(200);
  assert.equal(a.isLeader, true);
  assert.equal(api.objects<LeaseObject>(leases)[0]?.spec?.leaseTransitions, 1);
  await stop(a);
});

Deno.test("releaseLease() frees the Lease of a dead holder, and nobody else's", async () => {
  const { time, api, candidate, stop } = setUp();
  await api.client.create<LeaseObject>(leases, {
    metadata: { name: "test", namespace: "kube-system" },
    spec: { holderIdentity: "dead", leaseDurationSeconds: 15 },
  });
  const a = candidate("a", 1);
  await time.advance(100);
  const lock = { namespace: "kube-system", name: "test" };
  assert.equal(await releaseLease(api.client, { ...lock, holder: "other" }, time.clock), false);
  assert.equal(a.isLeader, false);
  assert.equal(await releaseLease(api.client, { ...lock, holder: "dead" }, time.clock), true);
  await time.advance(50);
  assert.equal(a.isLeader, true);
  await stop(a);
});
