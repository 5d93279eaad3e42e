import { must } from "../../base/assert.ts";
import type { LeaseId } from "../types.ts";

interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  /** Keys attached, as latin1 texts. */
  readonly keys: Set<string>;
  /** What a checkpoint said is left of the TTL; 0: all of it. The same on every member. */
  checkpointSeconds: number;
  /** Monotonic milliseconds on the leader; Infinity on the others, which never expire anything. */
  deadlineMs: number;
  /** Monotonic milliseconds at which the clock was last set or its state checkpointed, on the leader. */
  notedMs: number;
  /** Its revocation was proposed: it can no longer be renewed. */
  expiring: boolean;
}

/** What is left of a lease's TTL, for every member to know; 0: it has all of it again. */
export interface LeaseCheckpoint {
  readonly id: LeaseId;
  readonly remainingSeconds: number;
}

/**
 * The leases and the keys attached to them. Which leases exist is replicated; *when* they end only the leader tracks, by
 * its monotonic clock, and it ends them by a proposed command. Time is always an argument.
 */
export class LeaseTable {
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #byKey = new Map<string, LeaseId>();

  get size(): number {
    return this.#leases.size;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  ttlSeconds(id: LeaseId): number | undefined {
    return this.#leases.get(id)?.ttlSeconds;
  }

  /** Leader: milliseconds left, not below 0; Infinity where nobody counts. Undefined: no such lease. */
  remainingMs(id: LeaseId, nowMs: number): number | undefined {
    const lease = this.#leases.get(id);
    return lease === undefined ? undefined : Math.max(0, lease.deadlineMs - nowMs);
  }

  /** Ids in ascending order. */
  ids(): LeaseId[] {
    return [...this.#leases.keys()].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  }

  /** Keys of a lease in byte order. */
  keys(id: LeaseId): string[] {
    return [...(this.#leases.get(id)?.keys ?? [])].sort();
  }

  /** The caller has checked that `id` is free. Never expires until {@linkcode promote} or {@linkcode start}. */
  grant(id: LeaseId, ttlSeconds: number): void {
    this.#leases.set(id, {
      id,
      ttlSeconds,
      keys: new Set(),
      checkpointSeconds: 0,
      deadlineMs: Infinity,
      notedMs: 0,
      expiring: false,
    });
  }

  /** Forgets the lease; its keys are the caller's to delete. */
  revoke(id: LeaseId): void {
    const lease = this.#leases.get(id);
    if (lease === undefined) return;
    for (const key of lease.keys) this.#byKey.delete(key);
    this.#leases.delete(id);
  }

  /** `key` now belongs to `id` (0n: to none) and to no other. */
  attach(key: string, id: LeaseId): void {
    const before = this.#byKey.get(key);
    if (before === id) return;
    if (before !== undefined) {
      this.#leases.get(before)?.keys.delete(key);
      this.#byKey.delete(key);
    }
    if (id === 0n) return;
    must(this.#leases.get(id), `lease ${id} was checked before a key is attached`).keys.add(key);
    this.#byKey.set(key, id);
  }

  /** A checkpoint was applied. Without such a lease (any more) it says nothing. */
  checkpoint({ id, remainingSeconds }: LeaseCheckpoint): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) lease.checkpointSeconds = Math.min(remainingSeconds, lease.ttlSeconds);
  }

  /** 0: no checkpoint, or no such lease. */
  checkpointSeconds(id: LeaseId): number {
    return this.#leases.get(id)?.checkpointSeconds ?? 0;
  }

  clear(): void {
    this.#leases.clear();
    this.#byKey.clear();
  }

  /** Leader: starts the clock of a lease that was just granted. */
  start(id: LeaseId, nowMs: number): void {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.deadlineMs !== Infinity) return;
    lease.deadlineMs = nowMs + lease.ttlSeconds * 1000;
    lease.notedMs = nowMs;
  }

  /**
   * This member now leads: every lease gets its whole TTL again, or what a checkpoint said is left of it, and `extendMs` (an election timeout) on top, since the
   * leader before may have renewed it until it noticed that it was none.
   */
  promote(nowMs: number, extendMs: number): void {
    for (const lease of this.#leases.values()) {
      lease.deadlineMs = nowMs + (lease.checkpointSeconds || lease.ttlSeconds) * 1000 + extendMs;
      lease.notedMs = nowMs;
      lease.expiring = false;
    }
  }

  /** This member no longer leads. */
  demote(): void {
    for (const lease of this.#leases.values()) {
      lease.deadlineMs = Infinity;
      lease.expiring = false;
    }
  }

  /** Leader: the TTL it was renewed to; undefined when there is no such lease, or its end was already proposed. */
  renew(id: LeaseId, nowMs: number): number | undefined {
    const lease = this.#leases.get(id);
    if (lease === undefined || lease.expiring) return undefined;
    lease.deadlineMs = nowMs + lease.ttlSeconds * 1000;
    lease.notedMs = nowMs;
    return lease.ttlSeconds;
  }

  /**
   * Leader: up to `limit` leases that had more than `intervalMs` left an interval ago and were not renewed since, with what
   * is left of each now, in seconds, rounded up (etcd's lessor: a new leader must not end them early).
   */
  dueCheckpoints(nowMs: number, intervalMs: number, limit: number): LeaseCheckpoint[] {
    const due: LeaseCheckpoint[] = [];
    for (const lease of this.#leases.values()) {
      const { id, deadlineMs, notedMs, expiring } = lease;
      if (deadlineMs === Infinity || expiring || nowMs - notedMs < intervalMs || deadlineMs - notedMs <= intervalMs) {
        continue;
      }
      if (due.length >= limit) break;
      lease.notedMs = nowMs;
      const remainingSeconds = Math.ceil((deadlineMs - nowMs) / 1000);
      if (remainingSeconds > 0 && remainingSeconds < lease.ttlSeconds) due.push({ id, remainingSeconds });
    }
    return due;
  }

  /** Leader: up to `limit` leases whose time is over, earliest first; they can no longer be renewed. Call again to retry. */
  expire(nowMs: number, limit: number): LeaseId[] {
    const over = [...this.#leases.values()].filter((lease) => lease.deadlineMs <= nowMs);
    over.sort((a, b) => a.deadlineMs - b.deadlineMs || (a.id < b.id ? -1 : 1));
    const chosen = over.slice(0, limit);
    for (const lease of chosen) lease.expiring = true;
    return chosen.map((lease) => lease.id);
  }
}
