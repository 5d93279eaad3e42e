/** `"24h"`, `"1m30s"`, `"250ms"`, or a number of milliseconds. */
export type Duration = number | string;

const unitMs: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Milliseconds. @throws RangeError for what is no duration */
export function milliseconds(duration: Duration): number {
  if (typeof duration === "number") {
    if (Number.isFinite(duration) && duration >= 0) return duration;
    throw new RangeError(`Not a duration: ${duration}`);
  }
  if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(duration)) {
    throw new RangeError(`Not a duration: "${duration}" (write 24h, 1m30s or 250ms)`);
  }
  let total = 0;
  for (const [, number = "", unit = ""] of duration.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) {
    total += Number(number) * (unitMs[unit] ?? 0);
  }
  return total;
}
