import type { Clock, Timers } from "../mod.ts";

/** setTimeout takes 31 bits; a longer delay is reached in steps. */
const maxDelayMs = 0x7fffffff;

export function createClock(): Clock {
  return { now: () => Date.now(), monotonic: () => performance.now() };
}

export function createTimers(): Timers {
  function schedule(delayMs: number, fn: () => void): { cancel(): void } {
    let left = Math.max(0, delayMs);
    let id: ReturnType<typeof setTimeout> | undefined;
    function arm(): void {
      const step = Math.min(left, maxDelayMs);
      left -= step;
      id = setTimeout(left > 0 ? arm : fn, step);
    }
    arm();
    return { cancel: () => clearTimeout(id) };
  }
  return {
    schedule,
    sleep(delayMs, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason);
        const timer = schedule(delayMs, () => {
          signal?.removeEventListener("abort", onAbort);
          resolve();
        });
        function onAbort(): void {
          timer.cancel();
          reject(signal?.reason);
        }
        signal?.addEventListener("abort", onAbort, { once: true });
      });
    },
  };
}
