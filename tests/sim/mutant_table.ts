import { explore } from "../../store/raft/_explore.ts";
import type { RaftRule } from "../../store/raft/mod.ts";
import { type MutantName, mutantNames } from "./mutants.ts";
import { runSeed, SimFailure } from "./run.ts";

/** How a mutant was caught, or that it was not within its bound. */
export interface Catch {
  readonly mutant: string;
  /** What caught it: a seed of the simulator or of the exploration of cores; null: it survived. */
  readonly by: string | null;
  /** Seeds that it took, of at most so many. */
  readonly seeds: number;
  readonly bound: number;
  readonly saying: string;
}

/** Seeds that a mutant may survive. From measured rates, with room: a lease read shows in one of 15 seeds. */
export const simBounds: Readonly<Record<MutantName, readonly [seeds: number, saying: RegExp]>> = {
  skipSync: [10, /durable|damaged|lost|cannot start/],
  ackBeforeSync: [5, /before (it|that) was durable/],
  ackBeforeQuorum: [20, /State Machine Safety|lost|not linearizable/],
  leaseReadWithoutCheck: [60, /not linearizable/],
  voteNotPersisted: [10, /§5\.2/],
  snapshotWithoutMark: [20, /no readable snapshot|restarted|lost/],
  appliedIndexBehind: [20, /states differ|data differ|linearizable/],
  watchGapAfterCompaction: [60, /watch .* was due/],
  eventLostAtCompaction: [60, /watch .* was due/],
};

/** Rules of the core, and the seeds of random runs of cores alone within which their absence is noticed. */
export const coreRules: readonly (readonly [rule: RaftRule, seeds: number])[] = [
  ["commitOwnTermOnly", 100],
  ["readAfterOwnTerm", 100],
  ["oneChangeAtATime", 50],
  ["applyBeforeCampaign", 300],
  ["bothMajorities", 300],
  ["voteForNewerLogOnly", 80],
];

export async function catchInSimulator(mutant: MutantName): Promise<Catch> {
  const [bound] = simBounds[mutant];
  for (let seed = 1; seed <= bound; seed++) {
    try {
      await runSeed(seed, { mutant });
    } catch (error) {
      if (!(error instanceof SimFailure)) throw error;
      const [saying = ""] = error.message.replace(/^seed [0-9]+: (at [0-9.]+ ms: )?/, "").split("\n");
      return { mutant, by: `simulator seed ${seed}`, seeds: seed, bound, saying };
    }
  }
  return { mutant, by: null, seeds: bound, bound, saying: "" };
}

export function catchInCore([rule, bound]: (typeof coreRules)[number]): Catch {
  const mutant = `without ${rule}`;
  for (let seed = 1; seed <= bound; seed++) {
    try {
      explore({ seed, initial: seed % 4 === 1 ? 5 : 3, joiners: seed % 2 === 0 ? 3 : 0, without: rule });
    } catch (error) {
      const [saying = ""] = (error instanceof Error ? error.message : String(error)).split("\n");
      return { mutant, by: `exploration seed ${seed}`, seeds: seed, bound, saying };
    }
  }
  return { mutant, by: null, seeds: bound, bound, saying: "" };
}

/** `deno task sim --mutants`: every mutant and what catches it. @return the exit code */
export async function printMutants(): Promise<number> {
  let survived = 0;
  const print = ({ mutant, by, seeds, bound, saying }: Catch): void => {
    if (by === null) survived++;
    const row = [mutant.padEnd(28), `${seeds}/${bound}`.padEnd(7), (by ?? "SURVIVED").padEnd(40), saying.slice(0, 100)];
    console.log(row.join(" "));
  };
  console.log(["mutant".padEnd(28), "seeds".padEnd(7), "caught by".padEnd(40), "saying"].join(" "));
  for (const mutant of mutantNames) print(await catchInSimulator(mutant));
  for (const rule of coreRules) print(catchInCore(rule));
  const total = mutantNames.length + coreRules.length;
  console.log(`${total - survived} caught, ${survived} survived`);
  return survived === 0 ? 0 : 1;
}
