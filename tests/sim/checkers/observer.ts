import { crc32c } from "../../../base/crc32c.ts";
import { passing } from "../../../store/bugs.ts";
import type { Entry, HardState, MemberId, Message, Save } from "../../../store/raft/messages.ts";
import { Raft, type RaftConfig, type RaftCore } from "../../../store/raft/mod.ts";

/** What a member was told is durable. */
interface Durable {
  hardState: HardState;
  snapshotIndex: number;
  /** Term by index. */
  log: Map<number, number>;
  /** Handed out and not confirmed when the process died: may be on disk or not, but whole. */
  pending: Save | null;
}

/**
 * Sits between each core and its shell, sees everything that goes in and out, and holds it against the properties of
 * paper figure 3 and against what a disk promised. Notes the first violation; throwing would only stop one member.
 */
export class Observer {
  violation: string | null = null;
  /** Terms in which a leader was seen. */
  readonly leaders = new Map<number, MemberId>();
  readonly #committed = new Map<number, string>();
  readonly #entries = new Map<string, string>();
  readonly #votes = new Map<string, MemberId>();
  /** The newest vote of each member that has left it, for another or for itself. */
  readonly #givenVotes = new Map<MemberId, { term: number; to: MemberId }>();
  readonly #durable = new Map<MemberId, Durable>();
  readonly #stateHashes = new Map<number, string>();
  /** The process that counts: what an older one does after its death is no event. */
  readonly #lives = new Map<MemberId, number>();

  get committedIndex(): number {
    return this.#committed.size;
  }

  #violated(what: string): void {
    this.violation ??= what;
  }

  /** @param wrap makes the core wrong on purpose, outside of what is observed */
  createRaft(config: RaftConfig, core: RaftCore = new Raft(config)): RaftCore {
    const { id } = config;
    const life = (this.#lives.get(id) ?? 0) + 1;
    this.#lives.set(id, life);
    this.#checkRestored(id, config.restored);
    const alive = () => this.#lives.get(id) === life;
    return {
      ...passing(core),
      ready: () => {
        const ready = core.ready();
        if (!alive()) return ready;
        const { role, term } = core.status();
        if (role === "leader") this.#sawLeader(id, term);
        for (const entry of ready.committed) this.#sawCommitted(id, entry);
        for (const message of ready.messages) this.#sawLeave(id, message);
        if (ready.save !== null) this.#sawSave(id, ready.save);
        return ready;
      },
      advance: (save) => {
        if (alive()) this.#confirmed(id, save);
        core.advance(save);
      },
    };
  }

  /** The process is gone. */
  died(id: MemberId): void {
    this.#lives.set(id, (this.#lives.get(id) ?? 0) + 1);
  }

  /** State Machine Safety, on whole states: equal at equal indexes. */
  sawState(id: MemberId, index: number, hash: string): void {
    const known = this.#stateHashes.get(index);
    if (known !== undefined && known !== hash) this.#violated(`states differ at index ${index}: ${id} has another`);
    this.#stateHashes.set(index, hash);
  }

  #sawLeader(id: MemberId, term: number): void {
    const known = this.leaders.get(term);
    if (known !== undefined && known !== id) {
      this.#violated(`Election Safety (§5.2): ${known} and ${id} lead term ${term}`);
    }
    this.leaders.set(term, id);
  }

  #sawCommitted(id: MemberId, entry: Entry): void {
    const what = `${entry.term} ${entry.kind} ${entry.data.length} ${crc32c(entry.data)}`;
    const known = this.#committed.get(entry.index);
    if (known !== undefined && known !== what) {
      this.#violated(`State Machine Safety (§5.4.3): index ${entry.index} is [${known}], at ${id} [${what}]`);
    }
    this.#committed.set(entry.index, what);
  }

  #sawSave(id: MemberId, save: Save): void {
    for (const entry of save.entries) {
      const key = `${entry.index}@${entry.term}`;
      const what = `${entry.kind} ${entry.data.length} ${crc32c(entry.data)}`;
      const known = this.#entries.get(key);
      if (known !== undefined && known !== what) this.#violated(`Log Matching (§5.3): ${key} differs at ${id}`);
      this.#entries.set(key, what);
    }
    this.#of(id).pending = save;
  }

  /** §5.2: at most one vote a term, whatever crashes. */
  #sawPromise(message: Message): void {
    if (message.kind !== "voteAnswer" || !message.granted) return;
    const key = `${message.from}@${message.term}`;
    const known = this.#votes.get(key);
    if (known !== undefined && known !== message.to) {
      this.#violated(`${message.from} voted for ${known} and ${message.to} in term ${message.term} (§5.2)`);
    }
    this.#votes.set(key, message.to);
  }

  #of(id: MemberId): Durable {
    const known = this.#durable.get(id);
    if (known !== undefined) return known;
    const fresh: Durable = {
      hardState: { term: 0, vote: null, commit: 0 },
      snapshotIndex: 0,
      log: new Map(),
      pending: null,
    };
    this.#durable.set(id, fresh);
    return fresh;
  }

  #confirmed(id: MemberId, save: Save): void {
    const durable = this.#of(id);
    addSave(durable, save);
    durable.pending = null;
    for (const message of save.messages) this.#sawLeave(id, message); // now, and not before
  }

  /** What a message promises must be durable when it leaves: a crash must not take it back (§5.2, §5.3). */
  #sawLeave(id: MemberId, message: Message): void {
    const { hardState, snapshotIndex, log } = this.#of(id);
    if (message.kind === "appendAccepted" && message.match > snapshotIndex && !log.has(message.match)) {
      this.#violated(`${id} acknowledged index ${message.match} before it was durable (§5.3)`);
    }
    this.#sawPromise(message);
    const to = message.kind === "vote" ? id : message.kind === "voteAnswer" && message.granted ? message.to : null;
    if (to === null) return;
    if (hardState.term < message.term || (hardState.term === message.term && hardState.vote !== to)) {
      this.#violated(`${id} voted for ${to} in term ${message.term} before that was durable (§5.2)`);
    }
    this.#givenVotes.set(id, { term: message.term, to });
  }

  /** A restart finds what was confirmed, with or without the one save that was under way. */
  #checkRestored(id: MemberId, restored: RaftConfig["restored"]): void {
    const durable = this.#of(id);
    const problems = [difference(durable, restored)];
    if (durable.pending !== null) {
      addSave(durable, durable.pending);
      problems.push(difference(durable, restored));
    }
    if (!problems.includes(null)) this.#violated(`${id} restarted with less than it had made durable: ${problems[0]}`);
    const given = this.#givenVotes.get(id);
    const { term, vote } = restored.hardState;
    if (given !== undefined && (term < given.term || (term === given.term && vote !== given.to))) {
      this.#violated(`${id} voted for ${given.to} in term ${given.term} and restarted without knowing (§5.2)`);
    }
    const log = new Map(restored.entries.map((entry) => [entry.index, entry.term]));
    const { hardState, snapshot } = restored;
    this.#durable.set(id, { hardState, snapshotIndex: snapshot.index, log, pending: null });
  }
}

/** In place: a copy of the log for every save would make the check dearer than what it checks. */
function addSave(durable: Durable, save: Save): void {
  const { log } = durable;
  if (save.snapshot !== null) log.clear();
  const [first] = save.entries;
  if (first !== undefined) {
    // The log is contiguous: whatever is replaced lies between the first new entry and the old end.
    for (let index = first.index; log.delete(index);) index++;
  }
  for (const entry of save.entries) log.set(entry.index, entry.term);
  durable.hardState = save.hardState ?? durable.hardState;
  durable.snapshotIndex = save.snapshot?.point.index ?? durable.snapshotIndex;
}

function difference(durable: Durable, restored: RaftConfig["restored"]): string | null {
  const { hardState, snapshot, entries } = restored;
  if (hardState.term !== durable.hardState.term) return `term ${hardState.term}, was ${durable.hardState.term}`;
  if (hardState.vote !== durable.hardState.vote) return `vote ${hardState.vote}, was ${durable.hardState.vote}`;
  if (snapshot.index < durable.snapshotIndex) return `snapshot ${snapshot.index}, was ${durable.snapshotIndex}`;
  for (const [index, term] of durable.log) {
    if (index <= snapshot.index) continue;
    const found = entries[index - snapshot.index - 1]?.term;
    if (found !== term) return `entry ${index} is of term ${found}, was of ${term}`;
  }
  return null;
}
