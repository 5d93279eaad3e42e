import type { ClusterMember, Membership } from "../types.ts";
import type { EtcdCall } from "./etcd_store.ts";
import { hexOf } from "./ids.ts";
import type { Message } from "./messages.ts";

/** Changing the members of a real etcd: their ids are etcd's, in 16 hex digits. */
export function etcdMembership(call: EtcdCall): Membership {
  const write = { repeatable: false };
  return {
    async list() {
      const types = ["MemberListRequest", "MemberListResponse"] as const;
      const { answer } = await call("Cluster/MemberList", types, { linearizable: true }, { repeatable: true });
      return answer.members.map(memberOf);
    },
    async add({ peerAddress, isLearner }) {
      const types = ["MemberAddRequest", "MemberAddResponse"] as const;
      const { answer } = await call("Cluster/MemberAdd", types, { peerURLs: [urlOf(peerAddress)], isLearner }, write);
      return answer.member === undefined
        ? { id: "", peerAddress, clientAddress: "", isLearner: isLearner === true }
        : memberOf(answer.member);
    },
    async remove(id) {
      await call("Cluster/MemberRemove", ["MemberRemoveRequest", "MemberRemoveResponse"], { ID: idOf(id) }, write);
    },
    async promote(id) {
      await call("Cluster/MemberPromote", ["MemberPromoteRequest", "MemberPromoteResponse"], { ID: idOf(id) }, write);
    },
    async update(id, { peerAddress }) {
      const message = { ID: idOf(id), peerURLs: [urlOf(peerAddress)] };
      await call("Cluster/MemberUpdate", ["MemberUpdateRequest", "MemberUpdateResponse"], message, write);
    },
    async moveLeader(id) {
      const types = ["MoveLeaderRequest", "MoveLeaderResponse"] as const;
      await call("Maintenance/MoveLeader", types, { targetID: idOf(id) }, write);
    },
  };
}

function memberOf({ ID, peerURLs, clientURLs, isLearner }: Message<"Member">): ClusterMember {
  return { id: hexOf(ID), peerAddress: addressOf(peerURLs[0]), clientAddress: addressOf(clientURLs[0]), isLearner };
}

function idOf(id: string): bigint {
  return /^[0-9a-f]{1,16}$/.test(id) ? BigInt(`0x${id}`) : 0n;
}

function addressOf(url = ""): string {
  return url.replace(/^https?:\/\//, "tcp:");
}

function urlOf(address: string): string {
  return address.replace(/^tcp:/, "http://");
}
