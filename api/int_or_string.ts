import type { IntOrString } from "./gen/types.ts";

/**
 * The integer that an int-or-percent stands for: `25%` of `total`, rounded as told.
 * Undefined when a text is no percentage.
 */
export function scaledValue(value: IntOrString, total: number, round: "up" | "down"): number | undefined {
  if (typeof value === "number") return value;
  const match = /^([0-9]{1,9})%$/.exec(value);
  if (match === null) return undefined;
  const share = Number(match[1]) * total / 100;
  return round === "up" ? Math.ceil(share) : Math.floor(share);
}
