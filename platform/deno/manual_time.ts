import type { Time } from "./request_times.ts";

/** For tests: time that passes when told. */
export function manualTime(): Time & {
  /** Runs what becomes due, in order. */
  advance(ms: number): void;
  /** Timers that are set. */
  waiting(): number;
} {
  let now = 0;
  const due = new Set<{ readonly at: number; readonly run: () => void }>();
  return {
    clock: { monotonic: () => now },
    timers: {
      schedule(delayMs, run) {
        const entry = { at: now + delayMs, run };
        due.add(entry);
        return { cancel: () => void due.delete(entry) };
      },
    },
    advance(ms) {
      const end = now + ms;
      for (;;) {
        const next = [...due].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at)[0];
        if (next === undefined) break;
        now = next.at;
        due.delete(next);
        next.run();
      }
      now = end;
    },
    waiting: () => due.size,
  };
}
