import { type DiskCondition, type LinkRule, rulesMax } from "../../platform/faults/mod.ts";

/** What is wrong on purpose in a cluster. The supervisor keeps it, every component holds the newest it was told. */
export interface FaultTable {
  /** Grows with each change. */
  readonly version: number;
  readonly links: readonly (LinkRule & Owned)[];
  readonly disks: readonly (DiskCondition & Owned & { readonly component: string })[];
}

/** Who broke it: each heals its own. `user` for the command line's single faults, a run's name for an experiment's. */
interface Owned {
  readonly owner: string;
}

export type LinkFault = FaultTable["links"][number];
export type DiskFault = FaultTable["disks"][number];

export type FaultChange =
  | { readonly kind: "add"; readonly links: readonly LinkFault[]; readonly disks: readonly DiskFault[] }
  /** Takes away what `owner` broke; null: everything. */
  | { readonly kind: "heal"; readonly owner: string | null };

export const noFaults: FaultTable = { version: 0, links: [], disks: [] };

/** A later fault of the same direction (or disk) replaces an earlier one. */
export function changed(table: FaultTable, change: FaultChange): FaultTable {
  const version = table.version + 1;
  if (change.kind === "heal") {
    const stays = (each: Owned) => change.owner !== null && each.owner !== change.owner;
    return { version, links: table.links.filter(stays), disks: table.disks.filter(stays) };
  }
  const links = new Map([...table.links, ...change.links].map((each) => [`${each.from}\n${each.to}`, each]));
  const disks = new Map([...table.disks, ...change.disks].map((each) => [each.component, each]));
  return { version, links: [...links.values()], disks: [...disks.values()] };
}

export function isEmpty(table: FaultTable): boolean {
  return table.links.length === 0 && table.disks.length === 0;
}

/** The table in `value`, or null when it is none. */
export function asFaultTable(value: unknown): FaultTable | null {
  if (typeof value !== "object" || value === null) return null;
  const { version, links, disks } = value as Record<string, unknown>;
  if (typeof version !== "number" || !isListOf(links, isLinkFault) || !isListOf(disks, isDiskFault)) return null;
  return { version, links, disks };
}

/** The change in `value`, or null when it is none. */
export function asFaultChange(value: unknown): FaultChange | null {
  if (typeof value !== "object" || value === null) return null;
  const { kind, owner, links, disks } = value as Record<string, unknown>;
  if (kind === "heal" && (owner === null || typeof owner === "string")) return { kind, owner };
  if (kind === "add" && isListOf(links, isLinkFault) && isListOf(disks, isDiskFault)) return { kind, links, disks };
  return null;
}

function isListOf<T>(value: unknown, is: (each: unknown) => each is T): value is T[] {
  return Array.isArray(value) && value.length <= rulesMax && value.every(is);
}

function isLinkFault(value: unknown): value is LinkFault {
  if (typeof value !== "object" || value === null) return false;
  const { from, to, owner, cut, delayMs, jitterMs, lossRate } = value as Record<string, unknown>;
  return [from, to, owner].every((each) => typeof each === "string") && typeof cut === "boolean" &&
    [delayMs, jitterMs, lossRate].every((each) => typeof each === "number" && Number.isFinite(each) && each >= 0);
}

function isDiskFault(value: unknown): value is DiskFault {
  if (typeof value !== "object" || value === null) return false;
  const { component, owner, full } = value as Record<string, unknown>;
  return typeof component === "string" && typeof owner === "string" && typeof full === "boolean";
}
