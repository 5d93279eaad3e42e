import { type Membership, StoreError } from "./types.ts";

/** The membership of a store that is one member for ever. */
export function fixedMembership(memberId: () => string): Membership {
  const list = () => Promise.resolve([{ id: memberId(), peerAddress: "", clientAddress: "", isLearner: false }]);
  const refuse = () =>
    Promise.reject(new StoreError("InvalidArgument", "Cannot change members: this store has only one"));
  return { list, add: refuse, remove: refuse, promote: refuse, update: refuse, moveLeader: refuse };
}
