import { runSeed } from "../sim/run.ts";

/** Seeds that once failed, and what they showed. The swarm of a seed changes with tests/sim/swarm.ts: keep the story. */
const seeds: readonly [seed: number, story: string][] = [
  [4, "a power loss took the data directory: its parents had not been synced when it was made"],
  [1189, "the oldest segment kept began with entries that had been replaced from further back: the log was refused"],
  [31, "a power loss kept the removal of one old segment and not that of an older one: the log had a hole"],
  [
    3255,
    "a late answer to an earlier life's question about hashes was taken for one to the present question: a false alarm",
  ],
  [1862, "the experiment's own: a member found its rotten log just after the others had been told whom to expect"],
];

for (const [seed, story] of seeds) {
  Deno.test(`store simulator seed ${seed}: ${story}`, async () => {
    await runSeed(seed);
  });
}
