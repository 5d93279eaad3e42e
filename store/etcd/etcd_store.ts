import { type DialHttp2, GrpcClient, grpcCode, GrpcError } from "../../platform/grpc/mod.ts";
import type { Address, Clock, Log, Timers, TlsIdentity } from "../../platform/mod.ts";
import { storeLimits } from "../limits.ts";
import { checkRange, checkTxn, isReadOnly } from "../mvcc/check.ts";
import { errorOf } from "../front.ts";
import {
  type Alarm,
  type AlarmRequest,
  type HashKvResponse,
  type LeaseGrantResponse,
  type LeaseId,
  type LeaseTimeToLive,
  type Membership,
  type RangeRequest,
  type RangeResponse,
  type Revision,
  type Store,
  StoreError,
  type StoreStatus,
  type TxnRequest,
  type TxnResponse,
  type Watch,
  type WatchRequest,
  type WatchSink,
} from "../types.ts";
import { etcdErrors, fromEtcd } from "./errors.ts";
import { hexOf } from "./ids.ts";
import { etcdLimits } from "./limits.ts";
import { etcdMembership } from "./membership.ts";
import { alarmAction, alarmType, etcdCodec, type Input, type Message, type MessageName } from "./messages.ts";
import { rangeInput, rangeResponse, txnInput, txnResponse } from "./unconvert.ts";
import { EtcdWatches } from "./watches.ts";

export interface EtcdStoreConfig {
  /** Client addresses of the members. */
  readonly endpoints: readonly Address[];
  /** Absent: without TLS. */
  readonly tls?: Partial<TlsIdentity>;
  readonly requestTimeoutMs?: number;
}

export interface EtcdStoreDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
  readonly dialHttp2: DialHttp2;
}

/**
 * A store that lives in an etcd cluster (3.4 or later). One member is talked to until it fails; what it has not looked at,
 * and every read, is asked of the next one. A write without an answer rejects with Unavailable: it may have happened.
 */
export function connectEtcd(config: EtcdStoreConfig, deps: EtcdStoreDeps): Store {
  return new EtcdStore(config, deps);
}

/** One call of etcd's API. */
export type EtcdCall = <Q extends MessageName, A extends MessageName>(
  method: string,
  types: readonly [Q, A],
  message: Input<Q>,
  options: { readonly repeatable: boolean },
) => Promise<{ answer: Message<A>; bytes: number }>;

class EtcdStore implements Store {
  readonly membership: Membership;
  readonly #clients: readonly GrpcClient[];
  readonly #deps: EtcdStoreDeps;
  readonly #timeoutMs: number;
  readonly #watches: EtcdWatches;
  #current = 0;
  #progressIsSound = false;
  #closed = false;

  constructor(config: EtcdStoreConfig, deps: EtcdStoreDeps) {
    this.#deps = deps;
    this.#timeoutMs = config.requestTimeoutMs ?? storeLimits.requestTimeoutMs;
    const { dialHttp2: dial, timers } = deps;
    // etcd then refuses at once what it cannot do, and ends watches that would see nothing (WithRequireLeader).
    const metadata = [["hasleader", "true"]] as const;
    this.#clients = config.endpoints.map((address) =>
      new GrpcClient({ address, metadata, ...(config.tls === undefined ? {} : { tls: config.tls }) }, { dial, timers })
    );
    this.#watches = new EtcdWatches(
      async (answers) => {
        await this.#learnVersion();
        return await this.#each((client, leftMs) => client.stream("/etcdserverpb.Watch/Watch", answers, leftMs), true);
      },
      () => this.#progressIsSound,
    );
    this.membership = etcdMembership(this.#call);
  }

  async range(request: RangeRequest): Promise<RangeResponse> {
    const refusal = checkRange(request);
    if (refusal !== null) throw errorOf(refusal);
    const types = ["RangeRequest", "RangeResponse"] as const;
    const { answer, bytes } = await this.#call("KV/Range", types, rangeInput(request), { repeatable: true });
    return rangeResponse(answer, 0, bytes > storeLimits.sharedMessageBytesMax);
  }

  async txn(request: TxnRequest): Promise<TxnResponse> {
    const refusal = checkTxn(request);
    if (refusal !== null) throw errorOf(refusal);
    const types = ["TxnRequest", "TxnResponse"] as const;
    const { answer, bytes } = await this.#call("KV/Txn", types, txnInput(request), { repeatable: isReadOnly(request) });
    return txnResponse(answer, 0, bytes > storeLimits.sharedMessageBytesMax);
  }

  watch(request: WatchRequest, sink: WatchSink): Watch {
    return this.#watches.watch(request, sink);
  }

  async leaseGrant(ttlSeconds: number, id: LeaseId = 0n): Promise<LeaseGrantResponse> {
    const types = ["LeaseGrantRequest", "LeaseGrantResponse"] as const;
    const { answer } = await this.#call("Lease/LeaseGrant", types, { TTL: ttlSeconds, ID: id }, { repeatable: false });
    return { id: answer.ID, ttlSeconds: answer.TTL };
  }

  async leaseRevoke(id: LeaseId): Promise<void> {
    const types = ["LeaseRevokeRequest", "LeaseRevokeResponse"] as const;
    await this.#call("Lease/LeaseRevoke", types, { ID: id }, { repeatable: false });
  }

  /** A call with a stream for one renewal: whoever renews many leases should share them. */
  leaseKeepAlive(id: LeaseId): Promise<number> {
    return this.#each((client, leftMs) =>
      new Promise<number>((resolve, reject) => {
        const timer = this.#deps.timers.schedule(leftMs, () => {
          reject(new GrpcError(grpcCode.deadlineExceeded, `no answer within ${leftMs} ms`));
        });
        const settle = (body: () => void) => {
          timer.cancel();
          body();
        };
        client.stream("/etcdserverpb.Lease/LeaseKeepAlive", {
          onMessage: (bytes) =>
            settle(() => {
              const { TTL } = etcdCodec.decode("LeaseKeepAliveResponse", bytes);
              if (TTL > 0) resolve(TTL);
              else reject(new StoreError("LeaseNotFound", etcdErrors.leaseNotFound[1]));
            }),
          onEnd: (error) => settle(() => reject(error ?? new GrpcError(grpcCode.unavailable, "the stream has ended"))),
        }, leftMs).then((call) => {
          call.send(etcdCodec.encode("LeaseKeepAliveRequest", { ID: id }));
          call.end();
        }, (error) => settle(() => reject(error)));
      }), true);
  }

  async leaseTimeToLive(id: LeaseId, options: { readonly keys?: boolean } = {}): Promise<LeaseTimeToLive> {
    const types = ["LeaseTimeToLiveRequest", "LeaseTimeToLiveResponse"] as const;
    const message = { ID: id, keys: options.keys };
    const { answer } = await this.#call("Lease/LeaseTimeToLive", types, message, { repeatable: true });
    return { id, ttlSeconds: answer.TTL, grantedTtlSeconds: answer.grantedTTL, keys: answer.keys };
  }

  async leases(): Promise<readonly LeaseId[]> {
    const types = ["LeaseLeasesRequest", "LeaseLeasesResponse"] as const;
    const { answer } = await this.#call("Lease/LeaseLeases", types, {}, { repeatable: true });
    return answer.leases.map((lease) => lease.ID).sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  async compact(revision: number): Promise<void> {
    const types = ["CompactionRequest", "CompactionResponse"] as const;
    await this.#call("KV/Compact", types, { revision }, { repeatable: false });
  }

  async status(): Promise<StoreStatus> {
    const [{ answer }, hash] = await Promise.all([
      this.#call("Maintenance/Status", ["StatusRequest", "StatusResponse"], {}, { repeatable: true }),
      this.hashKv(),
    ]);
    return {
      memberId: hexOf(answer.header?.member_id ?? 0n),
      leaderId: answer.leader === 0n ? "" : hexOf(answer.leader),
      term: answer.raftTerm,
      revision: (answer.header?.revision ?? 0) as Revision,
      compactRevision: hash.compactRevision,
      appliedIndex: answer.raftAppliedIndex || answer.raftIndex,
      commitIndex: answer.raftIndex,
      databaseBytes: answer.dbSizeInUse || answer.dbSize,
      allocatedBytes: answer.dbSize,
      quotaBytes: answer.dbSizeQuota > 0 ? answer.dbSizeQuota : null,
      isLearner: answer.isLearner,
    };
  }

  async defragment(): Promise<void> {
    const types = ["DefragmentRequest", "DefragmentResponse"] as const;
    await this.#call("Maintenance/Defragment", types, {}, { repeatable: true });
  }

  async hashKv(revision = 0): Promise<HashKvResponse> {
    const types = ["HashKVRequest", "HashKVResponse"] as const;
    const { answer } = await this.#call("Maintenance/HashKV", types, { revision }, { repeatable: true });
    const current = answer.header?.revision ?? 0;
    return {
      hash: answer.hash,
      // etcd 3.4 does not say at which revision.
      hashRevision: answer.hash_revision || revision || current,
      compactRevision: Math.max(0, answer.compact_revision),
      revision: current as Revision,
    };
  }

  async alarm(request: AlarmRequest): Promise<readonly Alarm[]> {
    const types = ["AlarmRequest", "AlarmResponse"] as const;
    const message = request.action === "list" ? {} : {
      action: request.action === "activate" ? alarmAction.activate : alarmAction.deactivate,
      memberID: BigInt(`0x${request.memberId}`),
      alarm: request.kind === "NoSpace" ? alarmType.noSpace : alarmType.corrupt,
    };
    const { answer } = await this.#call("Maintenance/Alarm", types, message, { repeatable: request.action === "list" });
    return answer.alarms.map(({ memberID, alarm }) => ({
      memberId: hexOf(memberID),
      kind: alarm === alarmType.noSpace ? "NoSpace" : "Corrupt",
    }));
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#watches.close();
    for (const client of this.#clients) client.close();
  }

  readonly #call: EtcdCall = async (method, [request, response], message, { repeatable }) => {
    const bytes = etcdCodec.encode(request, message);
    const answer = await this.#each(
      (client, leftMs) => client.unary(`/etcdserverpb.${method}`, bytes, leftMs),
      repeatable,
    );
    return { answer: etcdCodec.decode(response, answer), bytes: answer.length };
  };

  /** Tries member after member until one answers, or one may have done what must not be done twice, or time is up. */
  async #each<T>(attempt: (client: GrpcClient, leftMs: number) => Promise<T>, repeatable: boolean): Promise<T> {
    const deadlineMs = this.#deps.clock.monotonic() + this.#timeoutMs;
    for (let tried = 1;; tried++) {
      if (this.#closed) throw new StoreError("NoLeader", "Cannot use the store: it is closed");
      const at = this.#current;
      const client = this.#clients[at % this.#clients.length];
      if (client === undefined) throw new StoreError("NoLeader", "Cannot use the store: it has no endpoints");
      try {
        return await attempt(client, Math.max(1, deadlineMs - this.#deps.clock.monotonic()));
      } catch (error) {
        const known = fromEtcd(error);
        const elsewhere = known.code === "NoLeader" || known.code === "NotLeader" ||
          (repeatable && known.code === "Unavailable");
        if (!elsewhere || this.#deps.clock.monotonic() >= deadlineMs) throw known;
        if (this.#current === at) this.#current = (at + 1) % this.#clients.length;
        // Once round: give a new leader, or a member that starts, a moment.
        if (tried % this.#clients.length === 0) await this.#deps.timers.sleep(etcdLimits.memberRetryMs);
      }
    }
  }

  /** Progress answers of older etcds may overtake events (etcd issue 15220): they are believed from these versions on. */
  async #learnVersion(): Promise<void> {
    const types = ["StatusRequest", "StatusResponse"] as const;
    const { answer } = await this.#call("Maintenance/Status", types, {}, { repeatable: true });
    const [major = 0, minor = 0, patch = 0] = answer.version.split(".").map(Number);
    this.#progressIsSound = major > 3 ||
      (major === 3 && (minor > 5 || (minor === 5 && patch >= 13) || (minor === 4 && patch >= 31)));
  }
}
