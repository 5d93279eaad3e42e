import { toolPlatform } from "../lifecycle.ts";
import { addMember, listMembers, promoteMember, removeMember } from "../members.ts";
import type { ClusterSpec } from "../spec.ts";
import { ok, print, table } from "./output.ts";

/** `cluster member`: who belongs to the store. */

export async function memberList(spec: ClusterSpec, output: "text" | "json"): Promise<void> {
  const members = await listMembers(spec, toolPlatform());
  if (output === "json") return print(JSON.stringify(members, null, 2));
  print(table(
    ["MEMBER", "ROLE", "PEER", "ETCD"],
    members.map(({ id, leader, isLearner, peerAddress, endpoint }) => [
      id,
      leader ? "leader" : isLearner ? "learner" : "follower",
      peerAddress,
      endpoint ?? "-",
    ]),
  ));
}

export async function memberAdd(
  spec: ClusterSpec,
  options: { readonly learner: boolean; readonly waitMs: number },
): Promise<void> {
  const { name, endpoint } = await addMember(spec, options, toolPlatform());
  ok(`added ${name}${options.learner ? ", a learner" : ""}; its etcd endpoint is ${endpoint}`);
}

export async function memberPromote(spec: ClusterSpec, name: string): Promise<void> {
  await promoteMember(spec, name, toolPlatform());
  ok(`${name} votes now`);
}

export async function memberRemove(spec: ClusterSpec, name: string): Promise<void> {
  await removeMember(spec, name, toolPlatform());
  ok(`removed ${name}; its data stay in data/${name}`);
}
