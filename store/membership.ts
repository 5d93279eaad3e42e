import type { Random } from "../platform/mod.ts";
import { encodeChange } from "./directory.ts";
import type { ConfigurationChange } from "./raft/configuration.ts";
import { majority } from "./raft/quorum.ts";
import type { Replica } from "./replica/mod.ts";
import { type ClusterMember, type MemberAddRequest, type Membership, StoreError } from "./types.ts";

/** etcd's default: one learner at a time, so that a leader feeds no more than one member from far behind. */
const learnersMax = 1;
/** A learner that has this share of the leader's log is ready to vote (etcd: readyPercent). */
const readyShare = 0.9;

/** The membership of a store that is one member for ever. */
export function fixedMembership(memberId: () => string): Membership {
  const list = () => Promise.resolve([{ id: memberId(), peerAddress: "", clientAddress: "", isLearner: false }]);
  const refuse = () =>
    Promise.reject(new StoreError("InvalidArgument", "Cannot change members: this store has only one"));
  return { list, add: refuse, remove: refuse, promote: refuse, update: refuse, moveLeader: refuse };
}

type Members = Pick<
  Replica<unknown>,
  "change" | "members" | "connected" | "matchOf" | "status" | "readIndex" | "transferLeadership"
>;

/** etcd's Cluster service over one member: all but `list` on the leader only, each change checked against who is up. */
export function createMembership(self: string, replica: Members, random: Pick<Random, "bytes">): Membership {
  const known = (id: string): ClusterMember => {
    const member = replica.members().find((each) => each.id === id);
    if (member === undefined) throw new StoreError("MemberNotFound", `Cannot find member ${id}`);
    return member;
  };
  return {
    list: async () => {
      await replica.readIndex();
      return replica.members();
    },
    add: async (request) => {
      await leading(self, replica);
      const member = { ...newMember(request, replica.members(), random) };
      if (!member.isLearner) checkStarted(replica, [...voters(replica), member.id], member.id);
      const kind = member.isLearner ? "addLearner" : "addVoter";
      await replica.change([{ kind, id: member.id }], encodeChange([...replica.members(), member]));
      return member;
    },
    remove: async (id) => {
      await leading(self, replica);
      const { isLearner } = known(id);
      const left = voters(replica).filter((voter) => voter !== id);
      if (!isLearner) checkStarted(replica, left, null);
      if (id === self) {
        // Whoever leads next makes the change: a leader that removes itself could leave before the others know.
        await replica.transferLeadership();
        throw new StoreError("NotLeader", `Cannot remove ${id}: it hands leadership over first`);
      }
      await replica.change([{ kind: "remove", id }], encodeChange(replica.members()));
    },
    promote: async (id) => {
      await leading(self, replica);
      if (!known(id).isLearner) throw new StoreError("NotLearner", `Cannot promote ${id}: it is not a learner`);
      if (!replica.connected(id) || replica.matchOf(id) < replica.status().lastIndex * readyShare) {
        throw new StoreError("LearnerNotReady", `Cannot promote ${id}: it has not caught up with the leader`);
      }
      const change: ConfigurationChange = { kind: "addVoter", id };
      await replica.change([change], encodeChange(replica.members()));
    },
    update: async (id, { peerAddress, clientAddress }) => {
      await leading(self, replica);
      const before = known(id);
      checkAddress(peerAddress, replica.members().filter((other) => other.id !== id));
      const moved = { ...before, peerAddress, clientAddress: clientAddress ?? before.clientAddress };
      await replica.change([], encodeChange(replica.members().map((member) => member.id === id ? moved : member), id));
    },
    moveLeader: async (id) => {
      await leading(self, replica);
      if (id === self) return;
      if (!voters(replica).includes(id)) {
        throw new StoreError("BadTransferee", `Cannot move the lead to ${id}: no voter`);
      }
      await replica.transferLeadership(id);
      if (replica.status().leaderId !== id) {
        throw new StoreError("Unavailable", `Cannot tell whether ${id} leads: the handover took too long`);
      }
    },
  };
}

/** Leads, and has applied all that was committed: what it knows of the members is the truth. */
async function leading(self: string, replica: Members): Promise<void> {
  const { leaderId } = replica.status();
  if (leaderId === null) throw new StoreError("NoLeader", "Cannot change members: there is no leader");
  if (leaderId !== self) throw new StoreError("NotLeader", `Cannot change members: the leader is ${leaderId}`);
  await replica.readIndex();
}

function voters(replica: Members): readonly string[] {
  return replica.status().configuration.voters;
}

function newMember(
  { id = "", peerAddress, clientAddress = "", isLearner = false }: MemberAddRequest,
  members: readonly ClusterMember[],
  random: Pick<Random, "bytes">,
): ClusterMember {
  checkAddress(peerAddress, members);
  if (members.some((member) => member.id === id)) {
    throw new StoreError("MemberExists", `Cannot add ${id}: it is a member`);
  }
  if (isLearner && members.filter((member) => member.isLearner).length >= learnersMax) {
    throw new StoreError("TooManyLearners", `Cannot add a learner: there are ${learnersMax} already`);
  }
  const chosen = id !== "" ? id : `member-${random.bytes(8).toHex()}`;
  return { id: chosen, peerAddress, clientAddress, isLearner };
}

function checkAddress(peerAddress: string, others: readonly ClusterMember[]): void {
  if (peerAddress === "") throw new StoreError("InvalidArgument", "Cannot use an empty peer address");
  const owner = others.find((member) => member.peerAddress === peerAddress);
  if (owner !== undefined) {
    throw new StoreError("PeerAddressExists", `Cannot use peer address ${peerAddress}: it is ${owner.id}'s`);
  }
}

/**
 * The members that are up must be a majority of the voters to be (etcd's strict reconfiguration check): a change must
 * not be what takes the quorum away. One member may always get a second.
 */
function checkStarted(replica: Members, after: readonly string[], added: string | null): void {
  const started = after.filter((id) => id !== added && replica.connected(id)).length;
  if (started >= majority(after.length) || (added !== null && after.length === 2)) return;
  throw new StoreError("NotEnoughStarted", `Cannot change members: of ${after.length} voters ${started} are up`);
}
