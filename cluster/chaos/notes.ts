import { dataDirectory, layout, readTextIfPresent } from "../home.ts";
import { planOf } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import * as limits from "./limits.ts";

/** What a member of the store wrote of itself. */
export interface MemberNote {
  readonly member: string;
  /** Milliseconds after the fault. */
  readonly atMs: number;
  readonly what: string;
}

const roles: Readonly<Record<string, string>> = {
  preCandidate: "suspects the leader, asks for pre-votes",
  candidate: "asks for votes",
  leader: "leads",
  follower: "follows",
};

/** What the members noted in their logs since `sinceWall` (milliseconds since the epoch), in order. */
export async function readNotes(spec: ClusterSpec, sinceWall: number): Promise<MemberNote[]> {
  const notes: MemberNote[] = [];
  for (const { name, kind } of planOf(spec)) {
    if (kind !== "store") continue;
    const text = await readTextIfPresent(`${dataDirectory(spec.name)}/${layout.logs}/${name}.log`) ?? "";
    for (const line of text.slice(-limits.notesBytesMax).split("\n")) {
      const note = noteOf(line);
      if (note === null) continue;
      const atMs = note.wallMs - sinceWall;
      // A line's time is cut to the millisecond, the fault's is not.
      if (atMs >= -1) notes.push({ member: name, atMs: Math.max(0, atMs), what: note.what });
    }
  }
  return notes.sort((a, b) => a.atMs - b.atMs);
}

/** A log line that says that a member's role changed. Exported for its test. */
export function noteOf(line: string): { readonly wallMs: number; readonly what: string } | null {
  if (!line.includes('"role changed"')) return null;
  try {
    const { time, role, term } = JSON.parse(line) as Record<string, unknown>;
    const words = roles[String(role)];
    const wallMs = Date.parse(String(time));
    return words === undefined || Number.isNaN(wallMs) ? null : { wallMs, what: `${words} (term ${term})` };
  } catch {
    return null; // the first line may be cut
  }
}
