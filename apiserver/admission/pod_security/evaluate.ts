import { baselineChecks } from "./baseline.ts";
import type { Check, Subject, Violation } from "./check.ts";
import type { LevelVersion } from "./policy.ts";
import { restrictedChecks } from "./restricted.ts";

/** From this minor on, rules about Linux alone spare pods that say they are Windows. */
const windowsSince = 25;

/** What of the policy the pod violates; empty: nothing. */
export function violations({ level, minor }: LevelVersion, subject: Subject): Violation[] {
  if (level === "privileged") return [];
  const strict = level === "restricted" ? restrictedChecks.filter((check) => applies(check, minor, subject)) : [];
  const covered = new Set(strict.map((check) => check.id));
  const lax = baselineChecks.filter((check) =>
    applies(check, minor, subject) && (check.coveredBy === undefined || !covered.has(check.coveredBy))
  );
  return [...lax, ...strict].flatMap((check) => check.run(subject, minor) ?? []);
}

function applies(check: Check, minor: number, { spec }: Subject): boolean {
  if (check.since > minor) return false;
  return check.linuxOnly !== true || minor < windowsSince || spec.os?.name !== "windows";
}

/** `hostPort (container "a" uses hostPort 80), privileged (...)` */
export function detailText(all: readonly Violation[]): string {
  return all.map(({ reason, detail }) => detail === "" ? reason : `${reason} (${detail})`).join(", ");
}

/** `hostPort, privileged` */
export function reasonText(all: readonly Violation[]): string {
  return all.map(({ reason }) => reason).join(", ");
}
