import { encodeTraceContext, type TraceContext } from "../base/trace_context.ts";
import type { Address, Clock, Log, Network, Random, Timer, Timers, TlsIdentity } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";
import { type LeaderNews, Link, LostError, type Reply } from "./link.ts";
import { method } from "./messages.ts";
import { checkTxn, isReadOnly } from "./mvcc/check.ts";
import { errorOf } from "./front.ts";
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
} from "./types.ts";
import {
  asAlarmKind,
  asArray,
  asBytes,
  asInteger,
  asLease,
  asMember,
  asRangeResponse,
  asText,
  asTxnResponse,
  encodeCommand,
  leaseField,
  memberFields,
  rangeFields,
} from "./wire.ts";

export interface RemoteStoreConfig {
  /** Client addresses of the members. The first that is up serves serializable reads. */
  readonly endpoints: readonly Address[];
  /**
   * Who serves watches. `leader` (default): whoever leads when a watch begins. It sends a change in the turn that commits
   * it, and followers without watches need no news of their own (docs/adr/0020). `first`: the first endpoint that is up.
   */
  readonly watchAt?: "leader" | "first";
  /** These members alone answer, whoever leads: others that they know of are not looked for. */
  readonly only?: boolean;
  readonly tls?: TlsIdentity;
  /** How long a call may take, waiting for a leader included. */
  readonly requestTimeoutMs?: number;
}

export interface RemoteStoreDeps {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly network: Pick<Network, "frames">;
  readonly log: Log;
}

/** Who may answer: the leader; the leader or, while none is known, who knew one last; anyone; the leader or anyone. */
type Route = "leader" | "preferLeader" | "any" | "leaderOrAny";

/**
 * The store of a cluster of members. It keeps a connection to each of them, and each says at once when the leader changes,
 * so a failover costs a client no search. What was not sent, or was refused untried, is sent again until the deadline; so
 * is a read. A write whose answer was lost rejects with Unavailable and is never repeated here: it may have happened.
 */
export function connectStore(config: RemoteStoreConfig, deps: RemoteStoreDeps): Store {
  return new RemoteStore(config, deps);
}

class RemoteStore implements Store {
  readonly #links: Link[] = [];
  readonly #endpoints = new Set<Address>();
  readonly #deps: RemoteStoreDeps;
  readonly #tls: TlsIdentity | undefined;
  readonly #timeoutMs: number;
  readonly #watchRoute: Route;
  readonly #only: boolean;
  /** Woken when a link or the leader changes. */
  readonly #waiting = new Set<() => void>();
  #leader: LeaderNews | null = null;
  /** Runs while the leader is a member that no link leads to. */
  #searching: Timer | null = null;
  readonly #graces = new Set<Timer>();
  #closed = false;

  constructor(config: RemoteStoreConfig, deps: RemoteStoreDeps) {
    this.#deps = deps;
    this.#timeoutMs = config.requestTimeoutMs ?? storeLimits.requestTimeoutMs;
    this.#watchRoute = config.watchAt === "first" ? "any" : "leaderOrAny";
    this.#only = config.only ?? false;
    this.#tls = config.tls;
    for (const endpoint of config.endpoints) this.#connect(endpoint);
  }

  #connect(endpoint: Address): void {
    if (endpoint === "" || this.#endpoints.has(endpoint)) return;
    this.#endpoints.add(endpoint);
    const { clock, timers, random, network } = this.#deps;
    const deps = { clock, timers, random, frames: network.frames };
    this.#links.push(new Link({ endpoint, tls: this.#tls, deps, changed: () => this.#onChange() }));
  }

  readonly membership: Membership = {
    list: async () => {
      const { fields } = await this.#call("preferLeader", method.membership, ["list"], true);
      return asArray(fields).map(asMember);
    },
    add: async ({ id = "", peerAddress, clientAddress = "", isLearner = false }) => {
      const member = memberFields({ id, peerAddress, clientAddress, isLearner });
      return asMember((await this.#call("leader", method.membership, ["add", member], false)).fields);
    },
    remove: async (id) => void await this.#call("leader", method.membership, ["remove", id], false),
    promote: async (id) => void await this.#call("leader", method.membership, ["promote", id], false),
    update: async (id, { peerAddress, clientAddress }) => {
      const args = ["update", id, peerAddress, clientAddress ?? null];
      await this.#call("leader", method.membership, args, false);
    },
    moveLeader: async (id) => void await this.#call("leader", method.membership, ["moveLeader", id], false),
  };

  async range(request: RangeRequest): Promise<RangeResponse> {
    const route = request.serializable === true ? "any" : "preferLeader";
    const { fields, copy } = await this.#call(route, method.range, [rangeFields(request)], true);
    return asRangeResponse(fields, copy);
  }

  async txn(request: TxnRequest, trace?: TraceContext): Promise<TxnResponse> {
    const refusal = checkTxn(request);
    if (refusal !== null) throw errorOf(refusal);
    const readOnly = isReadOnly(request);
    const command = encodeCommand({ kind: "txn", request });
    const args = trace === undefined ? [command] : [command, encodeTraceContext(trace)];
    const { fields, copy } = await this.#call(readOnly ? "preferLeader" : "leader", method.txn, args, readOnly);
    return asTxnResponse(fields, copy);
  }

  watch(request: WatchRequest, sink: WatchSink): Watch {
    const state = { cancelled: false, wantsProgress: false, on: null as ReturnType<Link["watch"]> };
    const guarded: WatchSink = {
      onCreated: (revision) => state.cancelled || sink.onCreated?.(revision),
      onEvents: (events, revision) => state.cancelled || sink.onEvents(events, revision),
      onProgress: (revision) => state.cancelled || sink.onProgress?.(revision),
      onClose: (error) => {
        if (state.cancelled) return;
        state.cancelled = true;
        sink.onClose(error);
      },
    };
    const start = async () => {
      const deadlineMs = this.#deps.clock.monotonic() + this.#timeoutMs;
      while (!state.cancelled) {
        const link = await this.#pick(this.#watchRoute, deadlineMs);
        if (state.cancelled) return;
        state.on = link.watch(request, guarded);
        if (state.on === null) continue;
        if (state.wantsProgress) state.on.requestProgress();
        return;
      }
    };
    start().catch((error) => {
      const message = `Cannot watch: ${error instanceof Error ? error.message : String(error)}`;
      guarded.onClose(new StoreError("Unavailable", message, { cause: error }));
    });
    return {
      cancel: () => {
        state.cancelled = true;
        state.on?.cancel();
      },
      requestProgress: () => {
        if (state.on === null) state.wantsProgress = true;
        else state.on.requestProgress();
      },
    };
  }

  async leaseGrant(ttlSeconds: number, id: LeaseId = 0n): Promise<LeaseGrantResponse> {
    const { fields } = await this.#call("leader", method.leaseGrant, [ttlSeconds, leaseField(id)], false);
    const [granted, ttl] = asArray(fields);
    return { id: asLease(granted), ttlSeconds: asInteger(ttl) };
  }

  async leaseRevoke(id: LeaseId): Promise<void> {
    await this.#call("leader", method.leaseRevoke, [leaseField(id)], false);
  }

  async leaseKeepAlive(id: LeaseId): Promise<number> {
    // Renewing twice does no harm.
    const { fields } = await this.#call("leader", method.leaseKeepAlive, [leaseField(id)], true);
    return asInteger(fields);
  }

  async leaseTimeToLive(id: LeaseId, options: { readonly keys?: boolean } = {}): Promise<LeaseTimeToLive> {
    const args = [leaseField(id), options.keys === true];
    const { fields, copy } = await this.#call("leader", method.leaseTimeToLive, args, true);
    const [left, granted, keys] = asArray(fields);
    return {
      id,
      ttlSeconds: asInteger(left),
      grantedTtlSeconds: asInteger(granted),
      keys: asArray(keys).map((key) => copy ? asBytes(key).slice() : asBytes(key)),
    };
  }

  async leases(): Promise<readonly LeaseId[]> {
    const { fields } = await this.#call("preferLeader", method.leases, [], true);
    return asArray(fields).map(asLease);
  }

  async hashKv(revision = 0): Promise<HashKvResponse> {
    const { fields } = await this.#call("any", method.hashKv, [revision], true);
    const [hash = 0, hashRevision = 0, compactRevision = 0, current = 0] = asArray(fields).map(asInteger);
    return { hash, hashRevision, compactRevision, revision: current as Revision };
  }

  async alarm(request: AlarmRequest): Promise<readonly Alarm[]> {
    const args = request.action === "list" ? ["list"] : [request.action, request.memberId, request.kind];
    const route = request.action === "list" ? "preferLeader" : "leader";
    const { fields } = await this.#call(route, method.alarm, args, true); // twice is as good as once
    return asArray(fields).map((each) => {
      const [memberId, kind] = asArray(each);
      return { memberId: asText(memberId), kind: asAlarmKind(kind) };
    });
  }

  async compact(revision: number): Promise<void> {
    await this.#call("leader", method.compact, [revision], false);
  }

  async status(): Promise<StoreStatus> {
    const { fields } = await this.#call("any", method.status, [], true);
    const [memberId, leaderId, ...rest] = asArray(fields);
    const numbers = rest.slice(0, 6).map(asInteger);
    return {
      memberId: asText(memberId),
      leaderId: asText(leaderId),
      term: numbers[0] ?? 0,
      revision: (numbers[1] ?? 0) as Revision,
      compactRevision: numbers[2] ?? 0,
      appliedIndex: numbers[3] ?? 0,
      commitIndex: numbers[4] ?? 0,
      databaseBytes: numbers[5] ?? 0,
      isLearner: rest[6] === true,
      // A member of an earlier version does not say.
      allocatedBytes: rest[7] === undefined ? numbers[5] ?? 0 : asInteger(rest[7]),
      quotaBytes: typeof rest[8] === "number" ? asInteger(rest[8]) : null,
    };
  }

  async defragment(): Promise<void> {
    await this.#call("any", method.defragment, [], true, storeLimits.defragmentTimeoutMs);
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const timer of this.#graces) timer.cancel();
    this.#searching?.cancel();
    for (const link of this.#links) link.close();
    this.#wake();
  }

  /** @param repeatable a lost answer may be asked for again */
  async #call(
    route: Route,
    kind: number,
    args: readonly unknown[],
    repeatable: boolean,
    timeoutMs = this.#timeoutMs,
  ): Promise<Reply> {
    const deadlineMs = this.#deps.clock.monotonic() + timeoutMs;
    for (let attempt = 0;; attempt++) {
      const link = await this.#pick(route, deadlineMs);
      try {
        return await link.call(kind, args, deadlineMs);
      } catch (error) {
        const late = this.#closed || this.#deps.clock.monotonic() >= deadlineMs;
        if (error instanceof LostError) {
          if (repeatable && !late) continue;
          throw new StoreError("Unavailable", `The outcome is unknown: ${error.message}`, { cause: error });
        }
        const refused = error instanceof StoreError && refusedUntried.has(error.code);
        if (!refused || late) throw error;
        // Its member knew better than this client: give the news of a new leader a moment to arrive.
        if (attempt > 0 || this.#linkFor(route) === link) {
          await this.#changeWithin(Math.min(storeLimits.clientRetryMs, deadlineMs - this.#deps.clock.monotonic()));
        }
      }
    }
  }

  /** The link to use, as soon as there is one with room; rejects with NoLeader (nothing was sent) at the deadline. */
  async #pick(route: Route, deadlineMs: number): Promise<Link> {
    for (;;) {
      if (this.#closed) throw new StoreError("NoLeader", "Cannot use the store: it is closed");
      const link = this.#linkFor(route);
      if (link !== null) {
        if (link.inFlight < storeLimits.clientInFlightMax) return link;
        throw new StoreError("Overloaded", `Cannot send: ${link.inFlight} requests wait for an answer`);
      }
      const leftMs = deadlineMs - this.#deps.clock.monotonic();
      if (leftMs <= 0) throw new StoreError("NoLeader", `No leader was found within ${this.#timeoutMs} ms`);
      if (this.#waiting.size >= storeLimits.clientWaitingMax) {
        throw new StoreError("Overloaded", `Cannot wait for a leader: ${this.#waiting.size} calls do already`);
      }
      await this.#changeWithin(leftMs);
    }
  }

  #linkFor(route: Route): Link | null {
    const leaderId = this.#leader?.leaderId ?? "";
    if (route !== "any") {
      const leader = leaderId === "" ? undefined : this.#links.find((link) => link.news?.memberId === leaderId);
      if (leader !== undefined) return leader;
      if (route === "leader") return null;
    }
    // A member that knows a leader is up to date; one that does not may be cut off from the others.
    const up = this.#links.filter((link) => link.up);
    const informed = up.find((link) => link.news?.leaderId !== "");
    return informed ?? (route === "preferLeader" ? null : up[0] ?? null);
  }

  #onChange(): void {
    const before = this.#leader;
    for (const { news } of this.#links) {
      if (news === null) continue;
      const known = this.#leader;
      const newer = known === null || news.term > known.term ||
        (news.term === known.term && (known.leaderId === "" || known.leaderId === news.memberId));
      if (newer) this.#leader = news;
    }
    if (before !== null && this.#leader !== null && before.leaderId !== this.#leader.leaderId) {
      this.#deps.log.info("the store's leader changed", { leader: this.#leader.leaderId, term: this.#leader.term });
      if (this.#leader.leaderId !== "") this.#abandonOthers(this.#leader.leaderId);
    }
    this.#searchLeader();
    this.#wake();
  }

  #knowsLeader(): boolean {
    const { leaderId = "" } = this.#leader ?? {};
    return leaderId === "" || this.#links.some((link) => link.news?.memberId === leaderId);
  }

  /** Who leads may have been added after this client was told of the members: they are asked for the others. */
  #searchLeader(): void {
    if (this.#only || this.#closed || this.#searching !== null || this.#knowsLeader()) return;
    this.#searching = this.#deps.timers.schedule(storeLimits.clientMembersMs, () => {
      if (this.#knowsLeader()) this.#searching = null;
      else void this.#meetMembers();
    });
  }

  async #meetMembers(): Promise<void> {
    try {
      const { fields } = await this.#call("any", method.membership, ["list"], true);
      for (const { clientAddress } of asArray(fields).map(asMember)) {
        if (this.#closed || this.#links.length >= storeLimits.clientEndpointsMax) break;
        this.#connect(clientAddress);
      }
    } catch (error) {
      this.#deps.log.info("cannot ask for the store's members", { error: String(error) });
    }
    this.#searching = null;
    this.#searchLeader();
  }

  /** A leader that was cut off or stopped may never answer: what it owes counts as lost after a grace. */
  #abandonOthers(leaderId: string): void {
    const timer = this.#deps.timers.schedule(storeLimits.clientLeaderGraceMs, () => {
      this.#graces.delete(timer);
      if (this.#leader?.leaderId !== leaderId) return;
      for (const link of this.#links) if (link.news?.memberId !== leaderId) link.abandon();
    });
    this.#graces.add(timer);
  }

  #wake(): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wake of waiting) wake();
  }

  #changeWithin(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const wake = () => {
        timer.cancel();
        this.#waiting.delete(wake);
        resolve();
      };
      const timer = this.#deps.timers.schedule(Math.max(0, delayMs), wake);
      this.#waiting.add(wake);
    });
  }
}

/** The member did nothing: sending again, even a write, is safe. */
const refusedUntried: ReadonlySet<string> = new Set(["NotLeader", "NoLeader", "Overloaded"]);
