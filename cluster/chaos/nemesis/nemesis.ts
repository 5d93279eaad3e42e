import type { Prng } from "../../../base/prng.ts";
import type { Platform } from "../../../platform/mod.ts";
import type { Breaker, Target } from "../faults.ts";
import * as limits from "./limits.ts";

export const nemesisKinds = [
  "kill-leader",
  "kill-one",
  "kill-all",
  "pause-leader",
  "pause-one",
  "partition-leader",
  "partition-one",
  "partition-one-way",
  "slow-links",
  "disk-full",
] as const;
export type NemesisKind = typeof nemesisKinds[number];

export interface Nemesis {
  /** How often each fault was made. */
  readonly counts: Readonly<Record<NemesisKind, number>>;
  /** Ends with everything healed; rejects when the cluster did not come back from a fault. */
  stop(): Promise<void>;
  /** Settles, with the reason, when it gave up. */
  readonly failed: Promise<Error>;
}

/** Breaks the members of a live store at random, one fault after the other, until it is stopped. */
export function startNemesis(
  breaker: Breaker,
  random: Prng,
  onFault: (kind: NemesisKind, target: string) => void,
  platform: Platform,
): Nemesis {
  const { timers } = platform;
  const stopping = new AbortController();
  const counts = noFaultsYet();
  const { promise: failed, resolve: settleFailed } = Promise.withResolvers<Error>();

  const upTo = (least: number, most: number) => least + random.int(most - least);

  async function members(): Promise<{ all: Target[]; leader: Target | undefined }> {
    const stores = (await breaker.components()).filter((each) => each.kind === "store");
    const targets = stores.flatMap(({ name, pid, role }) => pid === null ? [] : [{ name, pid, role }]);
    return { all: targets, leader: targets.find((each) => each.role === "leader") };
  }

  /** One fault from start to end; what takes time ends early when it is told to stop, and heals all the same. */
  async function once(kind: NemesisKind): Promise<void> {
    const { all, leader } = await members();
    const one = all[random.int(Math.max(1, all.length))];
    const target = kind.endsWith("leader") ? leader : one;
    if (target === undefined) return; // nobody leads, or nobody runs, at this moment
    counts[kind]++;
    onFault(kind, kind === "kill-all" || kind === "slow-links" ? "all members" : target.name);
    const hold = () => timers.sleep(upTo(limits.faultMsMin, limits.faultMsMax), stopping.signal).catch(() => {});
    switch (kind) {
      case "kill-leader":
      case "kill-one":
        return breaker.kill(target);
      case "kill-all":
        for (const each of all) breaker.kill(each);
        return;
      case "pause-leader":
      case "pause-one":
        breaker.pause(target);
        await hold();
        return breaker.resume(target.name);
      case "partition-leader":
      case "partition-one":
        await breaker.isolate([target.name], { oneWay: false });
        break;
      case "partition-one-way":
        await breaker.isolate(
          random.int(2) === 0 ? [target.name] : all.filter((each) => each !== target).map((each) => each.name),
          { oneWay: true },
        );
        break;
      case "slow-links":
        await breaker.disturb({ delayMs: upTo(1, 50), jitterMs: upTo(1, 100), lossRate: random.next() * 0.3 });
        break;
      case "disk-full":
        await breaker.fillDisk(target.name);
    }
    await hold();
    await breaker.healFaults();
  }

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      await timers.sleep(upTo(limits.calmMsMin, limits.calmMsMax), stopping.signal).catch(() => {});
      if (stopping.signal.aborted) return;
      await once(nemesisKinds[random.int(nemesisKinds.length)] ?? "kill-one").catch((error) => {
        // Who was chosen died before it was hit: the next fault finds another.
        if (!String(error).includes("is not running")) throw error;
      });
      // Mostly one fault at a time: the cluster must live through each. Now and then the next comes at once.
      if (random.next() > limits.overlapShare) await breaker.awaitRecovery();
    }
  }
  const running = run().catch((error) => settleFailed(error instanceof Error ? error : new Error(String(error))));

  return {
    counts,
    failed,
    async stop() {
      stopping.abort();
      await running;
      await breaker.healAll();
    },
  };
}

export function noFaultsYet(): Record<NemesisKind, number> {
  return Object.fromEntries(nemesisKinds.map((kind) => [kind, 0])) as Record<NemesisKind, number>;
}
