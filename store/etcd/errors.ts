import { grpcCode, GrpcError } from "../../platform/grpc/mod.ts";
import { ProtobufError } from "../../base/protobuf.ts";
import { StoreError, type StoreErrorCode } from "../types.ts";

/** etcd's errors: code and text, to the letter, because clients compare the text (etcd's api/v3rpc/rpctypes). */
export const etcdErrors = {
  emptyKey: [grpcCode.invalidArgument, "etcdserver: key is not provided"],
  keyNotFound: [grpcCode.invalidArgument, "etcdserver: key not found"],
  valueProvided: [grpcCode.invalidArgument, "etcdserver: value is provided"],
  leaseProvided: [grpcCode.invalidArgument, "etcdserver: lease is provided"],
  tooManyOperations: [grpcCode.invalidArgument, "etcdserver: too many operations in txn request"],
  duplicateKey: [grpcCode.invalidArgument, "etcdserver: duplicate key given in txn request"],
  invalidSort: [grpcCode.invalidArgument, "etcdserver: invalid sort option"],
  compacted: [grpcCode.outOfRange, "etcdserver: mvcc: required revision has been compacted"],
  futureRevision: [grpcCode.outOfRange, "etcdserver: mvcc: required revision is a future revision"],
  noSpace: [grpcCode.resourceExhausted, "etcdserver: mvcc: database space exceeded"],
  leaseNotFound: [grpcCode.notFound, "etcdserver: requested lease not found"],
  leaseExists: [grpcCode.failedPrecondition, "etcdserver: lease already exists"],
  leaseTtlTooLarge: [grpcCode.outOfRange, "etcdserver: too large lease TTL"],
  memberExists: [grpcCode.failedPrecondition, "etcdserver: member ID already exist"],
  peerUrlExists: [grpcCode.failedPrecondition, "etcdserver: Peer URLs already exists"],
  notEnoughStarted: [
    grpcCode.failedPrecondition,
    "etcdserver: re-configuration failed due to not enough started members",
  ],
  badUrls: [grpcCode.invalidArgument, "etcdserver: given member URLs are invalid"],
  memberNotFound: [grpcCode.notFound, "etcdserver: member not found"],
  notLearner: [grpcCode.failedPrecondition, "etcdserver: can only promote a learner member"],
  learnerNotReady: [
    grpcCode.failedPrecondition,
    "etcdserver: can only promote a learner member which is in sync with leader",
  ],
  tooManyLearners: [grpcCode.failedPrecondition, "etcdserver: too many learner members in cluster"],
  requestTooLarge: [grpcCode.invalidArgument, "etcdserver: request is too large"],
  tooManyRequests: [grpcCode.resourceExhausted, "etcdserver: too many requests"],
  noLeader: [grpcCode.unavailable, "etcdserver: no leader"],
  notLeader: [grpcCode.failedPrecondition, "etcdserver: not leader"],
  leaderChanged: [grpcCode.unavailable, "etcdserver: leader changed"],
  stopped: [grpcCode.unavailable, "etcdserver: server stopped"],
  timeout: [grpcCode.unavailable, "etcdserver: request timed out"],
  corrupt: [grpcCode.dataLoss, "etcdserver: corrupt cluster"],
  notSupportedForLearner: [grpcCode.unavailable, "etcdserver: rpc not supported for learner"],
  badTransferee: [grpcCode.failedPrecondition, "etcdserver: bad leader transferee"],
} as const satisfies Record<string, readonly [number, string]>;

export type EtcdErrorName = keyof typeof etcdErrors;

export function etcdError(name: EtcdErrorName): GrpcError {
  const [code, text] = etcdErrors[name];
  return new GrpcError(code, text);
}

/** The store's closed set in etcd's words. */
const ofStore: Readonly<Record<StoreErrorCode, EtcdErrorName | null>> = {
  Compacted: "compacted",
  FutureRevision: "futureRevision",
  NotLeader: "noLeader",
  NoLeader: "noLeader",
  LeaseNotFound: "leaseNotFound",
  LeaseExists: "leaseExists",
  TooLarge: "requestTooLarge",
  TooManyOperations: "tooManyOperations",
  DuplicateKey: "duplicateKey",
  KeyNotFound: "keyNotFound",
  NoSpace: "noSpace",
  Corrupt: "corrupt",
  Unavailable: "timeout",
  Overloaded: "tooManyRequests",
  InvalidArgument: null,
  MemberNotFound: "memberNotFound",
  MemberExists: "memberExists",
  PeerAddressExists: "peerUrlExists",
  NotEnoughStarted: "notEnoughStarted",
  NotLearner: "notLearner",
  LearnerNotReady: "learnerNotReady",
  TooManyLearners: "tooManyLearners",
  BadTransferee: "badTransferee",
  NotSupportedForLearner: "notSupportedForLearner",
};

/** What the client of the facade gets for an error; anything that is none of ours is a bug and passes. */
export function toEtcd(error: unknown): unknown {
  if (error instanceof StoreError) {
    const name = ofStore[error.code];
    return name === null ? new GrpcError(grpcCode.invalidArgument, `etcdserver: ${error.message}`) : etcdError(name);
  }
  if (error instanceof ProtobufError) {
    return new GrpcError(grpcCode.internal, `grpc: error unmarshalling request: ${error.message}`);
  }
  return error;
}

const byText = new Map<string, StoreErrorCode>();
for (const [code, name] of Object.entries(ofStore)) {
  // Two of our codes share one text of etcd's; a request that timed out has its own rule below.
  if (name !== null && code !== "NotLeader" && code !== "Unavailable") {
    byText.set(etcdErrors[name][1], code as StoreErrorCode); // the table's own keys
  }
}
byText.set(etcdErrors.notLeader[1], "NotLeader");
const invalid: ReadonlySet<string> = new Set(
  (["emptyKey", "valueProvided", "leaseProvided", "invalidSort", "leaseTtlTooLarge", "badUrls"] as const)
    .map((name) => etcdErrors[name][1]),
);

/** A real etcd's answer in the store's words. An unknown outcome is `Unavailable`. */
export function fromEtcd(error: unknown): StoreError {
  if (error instanceof StoreError) return error;
  if (!(error instanceof GrpcError)) {
    return new StoreError("Unavailable", error instanceof Error ? error.message : String(error), { cause: error });
  }
  const options = { cause: error };
  if (error.notSent) return new StoreError("NoLeader", `etcd was not reached: ${error.message}`, options);
  const code = byText.get(error.message);
  if (code !== undefined) return new StoreError(code, error.message, options);
  if (invalid.has(error.message)) return new StoreError("InvalidArgument", error.message, options);
  switch (error.code) {
    case grpcCode.resourceExhausted:
      return new StoreError("TooLarge", error.message, options);
    case grpcCode.dataLoss:
      return new StoreError("Corrupt", error.message, options);
    case grpcCode.invalidArgument:
    case grpcCode.unimplemented:
    case grpcCode.permissionDenied:
    case grpcCode.unauthenticated:
    case grpcCode.failedPrecondition:
      return new StoreError("InvalidArgument", error.message, options);
  }
  return new StoreError("Unavailable", error.message, options);
}
