import { type InputOf, type MessageOf, protobufCodec } from "../../base/protobuf.ts";

/**
 * The messages of etcd's gRPC API (etcdserverpb, mvccpb, v3lockpb, v3electionpb) with their fields' numbers; enums are
 * numbers, named below. Left out: Auth, downgrades, lease checkpoints, RangeStream. Members and leases are 64-bit ids.
 */
const schema = {
  // mvccpb
  Event: { type: [1, "enum"], kv: [2, "KeyValue"], prev_kv: [3, "KeyValue"] },
  KeyValue: {
    key: [1, "bytes"],
    create_revision: [2, "int64"],
    mod_revision: [3, "int64"],
    version: [4, "int64"],
    value: [5, "bytes"],
    lease: [6, "id64"],
  },
  // etcdserverpb
  AlarmMember: { memberID: [1, "uid64"], alarm: [2, "enum"] },
  AlarmRequest: { action: [1, "enum"], memberID: [2, "uid64"], alarm: [3, "enum"] },
  AlarmResponse: { header: [1, "ResponseHeader"], alarms: [2, "repeated AlarmMember"] },
  CompactionRequest: { revision: [1, "int64"], physical: [2, "bool"] },
  CompactionResponse: { header: [1, "ResponseHeader"] },
  Compare: {
    result: [1, "enum"],
    target: [2, "enum"],
    key: [3, "bytes"],
    version: [4, "int64"],
    create_revision: [5, "int64"],
    mod_revision: [6, "int64"],
    value: [7, "bytes"],
    lease: [8, "id64"],
    range_end: [64, "bytes"],
  },
  DefragmentRequest: {},
  DefragmentResponse: { header: [1, "ResponseHeader"] },
  DeleteRangeRequest: { key: [1, "bytes"], range_end: [2, "bytes"], prev_kv: [3, "bool"] },
  DeleteRangeResponse: { header: [1, "ResponseHeader"], deleted: [2, "int64"], prev_kvs: [3, "repeated KeyValue"] },
  HashKVRequest: { revision: [1, "int64"] },
  HashKVResponse: {
    header: [1, "ResponseHeader"],
    hash: [2, "uint32"],
    compact_revision: [3, "int64"],
    hash_revision: [4, "int64"],
  },
  HashRequest: {},
  HashResponse: { header: [1, "ResponseHeader"], hash: [2, "uint32"] },
  LeaseGrantRequest: { TTL: [1, "int64"], ID: [2, "id64"] },
  LeaseGrantResponse: { header: [1, "ResponseHeader"], ID: [2, "id64"], TTL: [3, "int64"], error: [4, "string"] },
  LeaseKeepAliveRequest: { ID: [1, "id64"] },
  LeaseKeepAliveResponse: { header: [1, "ResponseHeader"], ID: [2, "id64"], TTL: [3, "int64"] },
  LeaseLeasesRequest: {},
  LeaseLeasesResponse: { header: [1, "ResponseHeader"], leases: [2, "repeated LeaseStatus"] },
  LeaseRevokeRequest: { ID: [1, "id64"] },
  LeaseRevokeResponse: { header: [1, "ResponseHeader"] },
  LeaseStatus: { ID: [1, "id64"] },
  LeaseTimeToLiveRequest: { ID: [1, "id64"], keys: [2, "bool"] },
  LeaseTimeToLiveResponse: {
    header: [1, "ResponseHeader"],
    ID: [2, "id64"],
    TTL: [3, "int64"],
    grantedTTL: [4, "int64"],
    keys: [5, "repeated bytes"],
  },
  Member: {
    ID: [1, "uid64"],
    name: [2, "string"],
    peerURLs: [3, "repeated string"],
    clientURLs: [4, "repeated string"],
    isLearner: [5, "bool"],
  },
  MemberAddRequest: { peerURLs: [1, "repeated string"], isLearner: [2, "bool"] },
  MemberAddResponse: { header: [1, "ResponseHeader"], member: [2, "Member"], members: [3, "repeated Member"] },
  MemberListRequest: { linearizable: [1, "bool"] },
  MemberListResponse: { header: [1, "ResponseHeader"], members: [2, "repeated Member"] },
  MemberPromoteRequest: { ID: [1, "uid64"] },
  MemberPromoteResponse: { header: [1, "ResponseHeader"], members: [2, "repeated Member"] },
  MemberRemoveRequest: { ID: [1, "uid64"] },
  MemberRemoveResponse: { header: [1, "ResponseHeader"], members: [2, "repeated Member"] },
  MemberUpdateRequest: { ID: [1, "uid64"], peerURLs: [2, "repeated string"] },
  MemberUpdateResponse: { header: [1, "ResponseHeader"], members: [2, "repeated Member"] },
  MoveLeaderRequest: { targetID: [1, "uid64"] },
  MoveLeaderResponse: { header: [1, "ResponseHeader"] },
  PutRequest: {
    key: [1, "bytes"],
    value: [2, "bytes"],
    lease: [3, "id64"],
    prev_kv: [4, "bool"],
    ignore_value: [5, "bool"],
    ignore_lease: [6, "bool"],
  },
  PutResponse: { header: [1, "ResponseHeader"], prev_kv: [2, "KeyValue"] },
  RangeRequest: {
    key: [1, "bytes"],
    range_end: [2, "bytes"],
    limit: [3, "int64"],
    revision: [4, "int64"],
    sort_order: [5, "enum"],
    sort_target: [6, "enum"],
    serializable: [7, "bool"],
    keys_only: [8, "bool"],
    count_only: [9, "bool"],
    min_mod_revision: [10, "int64"],
    max_mod_revision: [11, "int64"],
    min_create_revision: [12, "int64"],
    max_create_revision: [13, "int64"],
  },
  RangeResponse: {
    header: [1, "ResponseHeader"],
    kvs: [2, "repeated KeyValue"],
    more: [3, "bool"],
    count: [4, "int64"],
  },
  RequestOp: {
    request_range: [1, "RangeRequest"],
    request_put: [2, "PutRequest"],
    request_delete_range: [3, "DeleteRangeRequest"],
    request_txn: [4, "TxnRequest"],
  },
  ResponseHeader: {
    cluster_id: [1, "uid64"],
    member_id: [2, "uid64"],
    revision: [3, "int64"],
    raft_term: [4, "int64"],
  },
  ResponseOp: {
    response_range: [1, "RangeResponse"],
    response_put: [2, "PutResponse"],
    response_delete_range: [3, "DeleteRangeResponse"],
    response_txn: [4, "TxnResponse"],
  },
  SnapshotRequest: {},
  SnapshotResponse: {
    header: [1, "ResponseHeader"],
    remaining_bytes: [2, "int64"],
    blob: [3, "bytes"],
    version: [4, "string"],
  },
  StatusRequest: {},
  StatusResponse: {
    header: [1, "ResponseHeader"],
    version: [2, "string"],
    dbSize: [3, "int64"],
    leader: [4, "uid64"],
    raftIndex: [5, "int64"],
    raftTerm: [6, "int64"],
    raftAppliedIndex: [7, "int64"],
    errors: [8, "repeated string"],
    dbSizeInUse: [9, "int64"],
    isLearner: [10, "bool"],
    storageVersion: [11, "string"],
    dbSizeQuota: [12, "int64"],
  },
  TxnRequest: {
    compare: [1, "repeated Compare"],
    success: [2, "repeated RequestOp"],
    failure: [3, "repeated RequestOp"],
  },
  TxnResponse: { header: [1, "ResponseHeader"], succeeded: [2, "bool"], responses: [3, "repeated ResponseOp"] },
  WatchCancelRequest: { watch_id: [1, "int64"] },
  WatchCreateRequest: {
    key: [1, "bytes"],
    range_end: [2, "bytes"],
    start_revision: [3, "int64"],
    progress_notify: [4, "bool"],
    filters: [5, "repeated enum"],
    prev_kv: [6, "bool"],
    watch_id: [7, "int64"],
    fragment: [8, "bool"],
  },
  WatchProgressRequest: {},
  WatchRequest: {
    create_request: [1, "WatchCreateRequest"],
    cancel_request: [2, "WatchCancelRequest"],
    progress_request: [3, "WatchProgressRequest"],
  },
  WatchResponse: {
    header: [1, "ResponseHeader"],
    watch_id: [2, "int64"],
    created: [3, "bool"],
    canceled: [4, "bool"],
    compact_revision: [5, "int64"],
    cancel_reason: [6, "string"],
    fragment: [7, "bool"],
    events: [11, "repeated Event"],
  },
  // v3lockpb
  LockRequest: { name: [1, "bytes"], lease: [2, "id64"] },
  LockResponse: { header: [1, "ResponseHeader"], key: [2, "bytes"] },
  UnlockRequest: { key: [1, "bytes"] },
  UnlockResponse: { header: [1, "ResponseHeader"] },
  // v3electionpb
  CampaignRequest: { name: [1, "bytes"], lease: [2, "id64"], value: [3, "bytes"] },
  CampaignResponse: { header: [1, "ResponseHeader"], leader: [2, "LeaderKey"] },
  LeaderKey: { name: [1, "bytes"], key: [2, "bytes"], rev: [3, "int64"], lease: [4, "id64"] },
  LeaderRequest: { name: [1, "bytes"] },
  LeaderResponse: { header: [1, "ResponseHeader"], kv: [2, "KeyValue"] },
  ProclaimRequest: { leader: [1, "LeaderKey"], value: [2, "bytes"] },
  ProclaimResponse: { header: [1, "ResponseHeader"] },
  ResignRequest: { leader: [1, "LeaderKey"] },
  ResignResponse: { header: [1, "ResponseHeader"] },
} as const;

export type EtcdSchema = typeof schema;
export type MessageName = keyof EtcdSchema & string;
export type Message<N extends MessageName> = MessageOf<EtcdSchema, N>;
export type Input<N extends MessageName> = InputOf<EtcdSchema, N>;

export const etcdCodec = protobufCodec(schema);

export const sortOrder = { none: 0, ascend: 1, descend: 2 } as const;
export const sortTargets = ["key", "version", "create", "mod", "value"] as const;
export const compareResults = ["=", ">", "<", "!="] as const;
export const compareTargets = ["version", "create", "mod", "value", "lease"] as const;
export const eventType = { put: 0, delete: 1 } as const;
export const watchFilter = { noPut: 0, noDelete: 1 } as const;
export const alarmAction = { get: 0, activate: 1, deactivate: 2 } as const;
export const alarmType = { none: 0, noSpace: 1, corrupt: 2 } as const;
