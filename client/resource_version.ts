/**
 * Whether resourceVersion `a` is `b` or later. The one place outside the store and the watch cache that looks inside a
 * resourceVersion: decimal digits without leading zeros, compared as numbers of any length. "" and "0" come first.
 */
export function atLeast(a: string, b: string): boolean {
  const x = digits(a);
  const y = digits(b);
  if (x.length !== y.length) return x.length > y.length;
  return x >= y;
}

/** The later of two resourceVersions. */
export function latest(a: string, b: string): string {
  return atLeast(a, b) ? a : b;
}

function digits(version: string): string {
  return /^[0-9]+$/.test(version) ? version.replace(/^0+/, "") : "";
}
