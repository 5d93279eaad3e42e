import type { Node, Pod } from "../../api/gen/types.ts";
import { nodes as nodeResource, pods as podResource } from "../../api/resources.ts";
import type { Platform } from "../../platform/mod.ts";
import type { Store, StoreStatus } from "../../store/mod.ts";
import { adminClient } from "../api_access.ts";
import { dataDirectory } from "../home.ts";
import { storeClientAddress, storeMembers, storeName } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { print } from "./output.ts";
import { statusTable } from "./status.ts";

const answerTimeoutMs = 2_000;
const periodMs = 500;

/** Ready ones, all of them; null: the API does not answer. */
export interface Counts {
  readonly nodes: readonly [ready: number, all: number];
  readonly pods: readonly [ready: number, all: number];
}

/** A member as it answers for itself; null: it does not. */
export type MemberView = Pick<StoreStatus, "memberId" | "leaderId" | "term" | "commitIndex" | "appliedIndex"> | null;

/** Redraws until Ctrl-C: members, leader, term, commit lag, nodes, pods, and every process. */
export async function watchStatus(spec: ClusterSpec, platform: Platform): Promise<never> {
  // Loaded here: `status` without -w has no need of the store's client.
  const { connectStore } = await import("../../store/mod.ts");
  // The members' sockets are named from here, since a unix path holds 107 bytes.
  Deno.chdir(dataDirectory(spec.name));
  const numbers = storeMembers(spec);
  const stores = numbers.map((number) =>
    connectStore({ endpoints: [storeClientAddress(number)], only: true, requestTimeoutMs: answerTimeoutMs }, platform)
  );
  const client = adminClient(spec, platform);
  for (;;) {
    const [{ text, memory }, members, nodes, pods] = await Promise.all([
      statusTable(spec, platform),
      Promise.all(stores.map((store: Store) => inTime(platform, store.status()))),
      inTime(platform, client.list<Node>(nodeResource)),
      inTime(platform, client.list<Pod>(podResource)),
    ]);
    const counts: Counts | null = nodes === null || pods === null
      ? null
      : { nodes: readyOf(nodes.items), pods: readyOf(pods.items) };
    const lines = [...headerLines(spec.name, counts, members, memory, numbers.map(storeName)), "", ...text.split("\n")];
    // Home, draw over what is there, clear the rest: no flicker.
    const redraw = () => `\x1b[H${lines.map((line) => `${line}\x1b[K`).join("\n")}\x1b[J`;
    print(Deno.stdout.isTerminal() ? redraw() : lines.join("\n"));
    await platform.timers.sleep(periodMs);
  }
}

/**
 * What a person asks first. A member's lag is how many entries it has yet to apply of those that any member knows to be
 * committed; the members are asked one after the other, so under load a healthy one shows a few.
 */
export function headerLines(
  name: string,
  counts: Counts | null,
  members: readonly MemberView[],
  memory: string,
  names: readonly string[],
): string[] {
  const api = counts === null
    ? "the API does not answer"
    : `nodes ${counts.nodes.join("/")} Ready   pods ${counts.pods.join("/")} Ready`;
  const answered = members.filter((member) => member !== null);
  const term = Math.max(0, ...answered.map((member) => member.term));
  const commit = Math.max(0, ...answered.map((member) => member.commitIndex));
  const leader = answered.find((member) => member.term === term && member.leaderId !== "")?.leaderId;
  const lags = members.map((member, i) =>
    member === null ? `${names[i] ?? ""} does not answer` : `${member.memberId} ${commit - member.appliedIndex}`
  );
  return [
    `${name}   ${api}   ${memory}`,
    `leader ${leader ?? "none"}   term ${term}   commit ${commit}   lag ${lags.join(", ")}`,
  ];
}

async function inTime<T>(platform: Platform, call: Promise<T>): Promise<T | null> {
  return await Promise.race([call.catch(() => null), platform.timers.sleep(answerTimeoutMs).then(() => null)]);
}

function readyOf(objects: readonly Readonly<Node | Pod>[]): [number, number] {
  const isReady = ({ status }: Readonly<Node | Pod>) =>
    status?.conditions?.some((each) => each.type === "Ready" && each.status === "True") ?? false;
  return [objects.filter(isReady).length, objects.length];
}
