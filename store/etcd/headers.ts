import type { Log, Timer, Timers } from "../../platform/mod.ts";
import type { Store, StoreStatus } from "../types.ts";
import { numberOf } from "./ids.ts";
import { etcdLimits } from "./limits.ts";
import type { Input } from "./messages.ts";

/**
 * The header of every answer: which cluster and member, at which term and revision. The term, and the revision where an
 * answer brings none of its own, are the newest that this gateway has seen; it looks once a second.
 */
export class Headers {
  readonly memberId: bigint;
  readonly #clusterId: bigint;
  readonly #own: Store;
  readonly #timers: Timers;
  readonly #log: Log;
  #timer: Timer | null = null;
  #term = 0;
  #revision = 0;
  #closed = false;

  constructor(parts: { clusterId: string; memberId: string; own: Store; timers: Timers; log: Log }) {
    this.memberId = numberOf(parts.memberId);
    this.#clusterId = numberOf(parts.clusterId);
    this.#own = parts.own;
    this.#timers = parts.timers;
    this.#log = parts.log;
    void this.#look();
  }

  /** @param revision of the read or write that is answered; absent: the newest seen */
  at(revision?: number): Input<"ResponseHeader"> {
    if (revision !== undefined) this.#revision = Math.max(this.#revision, revision);
    return {
      cluster_id: this.#clusterId,
      member_id: this.memberId,
      revision: revision ?? this.#revision,
      raft_term: this.#term,
    };
  }

  saw(status: StoreStatus): void {
    this.#term = Math.max(this.#term, status.term);
    this.#revision = Math.max(this.#revision, status.revision);
  }

  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
  }

  async #look(): Promise<void> {
    try {
      this.saw(await this.#own.status());
    } catch (error) {
      this.#log.debug("this gateway's member does not answer", { error: String(error) });
    }
    if (this.#closed) return;
    const delayMs = this.#term === 0 ? etcdLimits.firstStatusIntervalMs : etcdLimits.statusIntervalMs;
    this.#timer = this.#timers.schedule(delayMs, () => void this.#look());
  }
}
