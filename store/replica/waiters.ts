import { StoreError } from "../types.ts";

interface Proposal<R> {
  readonly term: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: StoreError) => void;
  deadlineTick: number;
}

/**
 * Proposals waiting for their entry. The key is the entry's (index, term): by the Log Matching property (Raft paper §5.3)
 * no other command can ever bear both, so another member's entry never resolves one of ours.
 */
export class ProposalWaiters<R> {
  readonly #byIndex = new Map<number, Proposal<R>>();

  get size(): number {
    return this.#byIndex.size;
  }

  add(index: number, proposal: Proposal<R>): void {
    // Our log was cut below it since; but of five members another two may still hold the entry, and one of them may yet
    // lead and commit it (paper figure 8). Only an *applied* entry of another term says that it never will be.
    this.#byIndex.get(index)?.reject(unknown("a newer leader cut the log"));
    this.#byIndex.set(index, proposal);
  }

  /** The entry at `index` was applied; `result` is null for one that is no command. */
  applied(index: number, term: number, result: { readonly value: R } | null): void {
    const proposal = this.#byIndex.get(index);
    if (proposal === undefined) return;
    this.#byIndex.delete(index);
    if (proposal.term === term && result !== null) proposal.resolve(result.value);
    else proposal.reject(replaced());
  }

  /** A snapshot covers `index` and all before it: what became of the entries cannot be known. */
  covered(index: number): void {
    for (const [at, proposal] of this.#byIndex) {
      if (at > index) continue;
      this.#byIndex.delete(at);
      proposal.reject(unknown("a snapshot replaced the log"));
    }
  }

  /** Leadership ended: the next leader may still commit them, but soon or never. */
  hasten(deadlineTick: number): void {
    for (const proposal of this.#byIndex.values()) {
      proposal.deadlineTick = Math.min(proposal.deadlineTick, deadlineTick);
    }
  }

  expire(nowTick: number): void {
    for (const [index, proposal] of this.#byIndex) {
      if (proposal.deadlineTick > nowTick) continue;
      this.#byIndex.delete(index);
      proposal.reject(unknown("no quorum answered in time"));
    }
  }

  failAll(why: string): void {
    for (const proposal of this.#byIndex.values()) proposal.reject(unknown(why));
    this.#byIndex.clear();
  }
}

function replaced(): StoreError {
  return new StoreError("NoLeader", "Cannot commit the write: a newer leader replaced it before it took effect");
}

function unknown(why: string): StoreError {
  return new StoreError("Unavailable", `Cannot tell whether the write took effect: ${why}`);
}

interface ReadWaiter {
  readonly resolve: () => void;
  readonly reject: (error: StoreError) => void;
  readonly deadlineTick: number;
}

/**
 * Reads on their way to an index and then to its being applied. One question to the leader is out at a time; reads that
 * come meanwhile share the next one, since an index is good only for reads that came before it was asked for.
 */
export class ReadWaiters {
  /** Not yet asked for. */
  #queued: ReadWaiter[] = [];
  #asked: { context: number; readonly waiters: ReadWaiter[]; retryTick: number } | null = null;
  /** Index known, not yet applied. */
  #confirmed: { readonly index: number; readonly waiters: readonly ReadWaiter[] }[] = [];
  #nextContext = 1;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(waiter: ReadWaiter): void {
    this.#queued.push(waiter);
    this.#size++;
  }

  /** @param ask puts the question; false when nobody can be asked now */
  ask(nowTick: number, retryTicks: number, ask: (context: number) => boolean): void {
    if (this.#asked !== null || this.#queued.length === 0) return;
    const context = this.#nextContext++;
    if (!ask(context)) return;
    this.#asked = { context, waiters: this.#queued, retryTick: nowTick + retryTicks };
    this.#queued = [];
  }

  /** The question may be lost: put it again, with those that came since. */
  again(): void {
    if (this.#asked === null) return;
    this.#queued = [...this.#asked.waiters, ...this.#queued];
    this.#asked = null;
  }

  answered(context: number, index: number, appliedIndex: number): void {
    if (this.#asked?.context !== context) return; // an older question's; its readers asked again
    this.#confirmed.push({ index, waiters: this.#asked.waiters });
    this.#asked = null;
    this.applied(appliedIndex);
  }

  applied(index: number): void {
    if (this.#confirmed.length === 0) return;
    this.#confirmed = this.#confirmed.filter((group) => {
      if (group.index > index) return true;
      this.#size -= group.waiters.length;
      for (const waiter of group.waiters) waiter.resolve();
      return false;
    });
  }

  tick(nowTick: number): void {
    if (this.#asked !== null && this.#asked.retryTick <= nowTick) this.again();
    const late = (waiter: ReadWaiter): boolean => {
      if (waiter.deadlineTick > nowTick) return false;
      this.#size--;
      waiter.reject(new StoreError("NoLeader", "Cannot read: no leader confirmed it in time"));
      return true;
    };
    this.#queued = this.#queued.filter((waiter) => !late(waiter));
    if (this.#confirmed.length > 0) {
      this.#confirmed = this.#confirmed.map(({ index, waiters }) => ({
        index,
        waiters: waiters.filter((waiter) => !late(waiter)),
      }));
    }
  }

  failAll(error: StoreError): void {
    const groups = [this.#queued, this.#asked?.waiters ?? [], ...this.#confirmed.map((group) => group.waiters)];
    this.#queued = [];
    this.#asked = null;
    this.#confirmed = [];
    this.#size = 0;
    for (const waiter of groups.flat()) waiter.reject(error);
  }
}
