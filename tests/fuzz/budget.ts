/**
 * How much a run tries, and from where. In `deno task test` a fixed seed keeps a red run red; `deno task fuzz` sets
 * FUZZ_RUNS and begins anywhere; FUZZ_SEED repeats a run.
 */
const many = Deno.env.get("FUZZ_RUNS");

export const runs = Number(many ?? "300");
export const seed = Number(Deno.env.get("FUZZ_SEED") ?? (many === undefined ? "1" : `${Date.now() % 1_000_000}`));
