import { type FieldError, invalid } from "../../../api/field_errors.ts";
import type { Labels } from "../../../api/labels.ts";

/** The Pod Security Standards, from lax to strict. */
export type Level = "privileged" | "baseline" | "restricted";

export interface LevelVersion {
  readonly level: Level;
  /** The minor of v1.MINOR; Infinity for `latest`. */
  readonly minor: number;
}

export interface Policy {
  readonly enforce: LevelVersion;
  readonly audit: LevelVersion;
  readonly warn: LevelVersion;
}

const levels: readonly Level[] = ["privileged", "baseline", "restricted"];
const modes = ["enforce", "audit", "warn"] as const;

/**
 * What a namespace's `pod-security.kubernetes.io/*` labels ask for; absent ones ask for nothing. A label that cannot be
 * read counts as the strictest for `enforce`, and as none for the others, so that a policy always results.
 * @see KEP-2579
 */
export function policyOf(labels: Labels): { readonly policy: Policy; readonly problems: readonly FieldError[] } {
  const problems: FieldError[] = [];
  const parts = modes.map((mode) => {
    const levelLabel = `pod-security.kubernetes.io/${mode}`;
    const levelText = labels[levelLabel] ?? "privileged";
    const level = levels.find((it) => it === levelText);
    if (level === undefined) {
      problems.push(invalid(`metadata.labels[${levelLabel}]`, levelText, `must be one of ${levels.join(", ")}`));
    }
    const versionLabel = `${levelLabel}-version`;
    const minor = minorOf(labels[versionLabel] ?? "latest");
    if (minor === null) {
      const value = labels[versionLabel] ?? "";
      problems.push(invalid(`metadata.labels[${versionLabel}]`, value, 'must be "latest" or "v1.x"'));
    }
    const fallback: Level = mode === "enforce" ? "restricted" : "privileged";
    return { level: level ?? fallback, minor: minor ?? Infinity };
  });
  const [enforce, audit, warn] = parts as [LevelVersion, LevelVersion, LevelVersion];
  return { policy: { enforce, audit, warn }, problems };
}

/** Null for what is no version. */
function minorOf(text: string): number | null {
  if (text === "latest") return Infinity;
  const match = /^v1\.(\d|[1-9]\d*)$/.exec(text);
  return match === null ? null : Number(match[1]);
}

/** `baseline:v1.30` */
export function levelText({ level, minor }: LevelVersion): string {
  return `${level}:${minor === Infinity ? "latest" : `v1.${minor}`}`;
}

/** Whether `a` is stricter than `b`. */
export function isStricter(a: Level, b: Level): boolean {
  return levels.indexOf(a) > levels.indexOf(b);
}

export function sameLevel(a: LevelVersion, b: LevelVersion): boolean {
  return a.level === b.level && a.minor === b.minor;
}
