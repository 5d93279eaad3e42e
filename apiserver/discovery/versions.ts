const stages = ["alpha", "beta", ""];

/**
 * The order in which a group's versions are preferred: general availability before beta before alpha, then the higher
 * number; names of another form last, by alphabet. @see apimachinery pkg/version/helpers.go
 */
export function compareVersions(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  if (left === null || right === null) {
    if (left === null && right === null) return a < b ? -1 : a > b ? 1 : 0;
    return left === null ? 1 : -1;
  }
  for (const [index, value] of left.entries()) {
    const difference = (right[index] ?? 0) - value;
    if (difference !== 0) return difference;
  }
  return 0;
}

function parse(name: string): [stage: number, major: number, minor: number] | null {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(name);
  if (match === null) return null;
  return [stages.indexOf(match[2] ?? ""), Number(match[1]), Number(match[3] ?? 0)];
}
