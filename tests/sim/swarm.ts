import { type Prng, prng } from "../../base/prng.ts";
import type { LinkOptions } from "../../platform/sim/mod.ts";

/** What one seed does. Each fault is on or off and as strong as the seed says, so that seeds differ in kind. */
export interface Swarm {
  readonly seed: number;
  /** Virtual milliseconds with faults. */
  readonly safetyMs: number;
  readonly clients: number;
  readonly keys: number;
  readonly thinkMs: number;
  readonly snapshotEntries: number;
  readonly segmentBytes: number;
  readonly link: LinkOptions;
  /** Mean time between faults of a kind; Infinity: none. */
  readonly crashEveryMs: number;
  readonly downMsMax: number;
  readonly silentShare: number;
  readonly keepDiskShare: number;
  readonly allAtOnceShare: number;
  readonly partitionEveryMs: number;
  readonly partitionMsMax: number;
  readonly oneWayShare: number;
  readonly stallEveryMs: number;
  readonly stallMsMax: number;
  readonly clogEveryMs: number;
  readonly clogMsMax: number;
  readonly clockDrift: number;
  readonly wallJumpEveryMs: number;
  readonly syncSpikeRate: number;
  readonly syncSpikeMs: number;
  readonly syncErrorRate: number;
  /** Share of failpoints passed at which the process dies. */
  readonly failpointRate: number;
  /** Mean time between changes of members. */
  readonly churnEveryMs: number;
  /** Share of a client's operations that compact, and how many revisions they leave. */
  readonly compactShare: number;
  readonly compactKeep: number;
  /** Mean time between disks that fill up. */
  readonly diskFullEveryMs: number;
  readonly diskFullMsMax: number;
  readonly writeErrorRate: number;
  /** Share of crashes after which a bit of one member's log has rotted; at most one member an experiment. */
  readonly rotShare: number;
}

export function drawSwarm(seed: number): Swarm {
  const random = prng(seed).fork();
  const every = (share: number, minMs: number, maxMs: number) =>
    random.next() < share ? between(random, minMs, maxMs) : (random.next(), Infinity);
  const some = (share: number, max: number) => (random.next() < share ? 1 : 0) * random.next() * max;
  return {
    seed,
    safetyMs: between(random, 1500, 4000),
    clients: 2 + random.int(4),
    keys: 1 + random.int(4),
    thinkMs: between(random, 2, 40),
    snapshotEntries: between(random, 8, 120),
    segmentBytes: 1024 << random.int(5),
    link: {
      delayMs: 0.05 + some(0.7, 8),
      jitterMs: 0.05 + some(0.7, 15),
      lossRate: some(0.4, 0.1),
      resetRate: some(0.3, 0.01),
    },
    crashEveryMs: every(0.7, 150, 1500),
    downMsMax: between(random, 20, 1200),
    silentShare: some(0.5, 1),
    keepDiskShare: some(0.5, 1),
    allAtOnceShare: some(0.4, 0.4),
    partitionEveryMs: every(0.6, 200, 1500),
    partitionMsMax: between(random, 100, 1500),
    oneWayShare: some(0.5, 1),
    stallEveryMs: every(0.4, 200, 1500),
    stallMsMax: between(random, 20, 1000),
    clogEveryMs: every(0.3, 200, 1500),
    clogMsMax: between(random, 20, 600),
    clockDrift: some(0.4, 0.1),
    wallJumpEveryMs: every(0.2, 300, 1500),
    syncSpikeRate: some(0.3, 0.05),
    syncSpikeMs: between(random, 5, 400),
    syncErrorRate: some(0.15, 0.002),
    failpointRate: some(0.4, 0.004),
    churnEveryMs: every(0.35, 200, 1200),
    compactShare: some(0.6, 0.2),
    compactKeep: random.int(60),
    diskFullEveryMs: every(0.2, 300, 1500),
    diskFullMsMax: between(random, 20, 500),
    writeErrorRate: some(0.1, 0.002),
    rotShare: some(0.15, 0.3),
  };
}

function between(random: Prng, min: number, max: number): number {
  return min + random.int(max - min + 1);
}

export function describeSwarm(swarm: Swarm): string {
  const parts = Object.entries(swarm).map(([name, value]) => {
    if (typeof value === "object") return `${name}=${Object.values(value).map(short).join("/")}`;
    return `${name}=${short(value)}`;
  });
  return parts.join(" ");
}

function short(value: unknown): string {
  return typeof value === "number" && Number.isFinite(value)
    ? String(Number.isInteger(value) ? value : Number(value.toPrecision(3)))
    : "never";
}
