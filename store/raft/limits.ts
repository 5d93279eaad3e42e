/** Bounds of the core. Relations are asserted in limits_test.ts. */
export interface RaftLimits {
  /** Appends sent to one member and not yet answered. 64 x 256 KiB keep a link of 0.1 s and 1 Gbit/s busy. */
  readonly maxInflightAppends: number;
  /** Command bytes in one append; one entry always fits, whatever its size. */
  readonly maxAppendBytes: number;
  /** Command bytes proposed and not yet committed; beyond it proposals are refused. */
  readonly maxUncommittedBytes: number;
  /** Entries proposed and not yet committed; beyond it proposals are refused. */
  readonly maxUncommittedEntries: number;
  /** Reads waiting for a quorum; beyond it reads are refused. */
  readonly maxPendingReads: number;
  /** Entries handed out by one `ready()`, so that applying a long backlog lets messages through in between. */
  readonly maxApplyEntries: number;
}

export const raftLimits: RaftLimits = {
  maxInflightAppends: 64,
  maxAppendBytes: 256 * 1024,
  maxUncommittedBytes: 64 * 1024 * 1024,
  maxUncommittedEntries: 16_384,
  maxPendingReads: 16_384,
  maxApplyEntries: 1024,
};

/**
 * Ticks between the pre-votes of members that lost the leader's connection at the same moment. Two: the first one's
 * pre-vote and vote have a round trip each before the next one starts.
 */
export const lostLeaderStaggerTicks = 2;

/**
 * Campaigns that a member without any news of a leader begins early after its start. Few: on a network slower than the
 * short timeouts, votes that keep meeting each other must fall back to the long ones.
 */
export const earlyCampaigns = 3;

/** A silence counts as one that will not end when it is this many times the longest that did. */
export const patienceGaps = 3;
/** Patience grows to this many of the shortest election timeouts at most. */
export const patienceCeiling = 8;
/** A leader's patience with its followers, in shortest election timeouts. */
export const answerPatience = 1.5;
/** Ticks for which an ended silence is remembered at least; at most twice as many. */
export const patienceWindowTicks = 400;
/** Election timeouts after which a handover has failed. */
export const handoverElections = 3;
