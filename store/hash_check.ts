import type { Log, Timer, Timers } from "../platform/mod.ts";
import { storeLimits } from "./limits.ts";
import { hashSection } from "./mvcc/hash_kv.ts";
import type { Mvcc } from "./mvcc/mvcc.ts";
import { encodeNote, noteKind } from "./notes.ts";
import { asInteger, asText } from "./wire.ts";

export interface HashCheckParts {
  readonly id: string;
  readonly mvcc: Mvcc;
  /** Everyone who belongs to the cluster, this member too. */
  readonly members: () => readonly string[];
  /** Whether a note would arrive: others are not asked. */
  readonly connected: (member: string) => boolean;
  readonly appliedIndex: () => number;
  /** To one other member; may get lost. */
  readonly tell: (member: string, note: Uint8Array) => void;
  /** @param member "" when it is not known which one is wrong */
  readonly raise: (member: string) => void;
  readonly timers: Timers;
  readonly log: Log;
  /** Between two looks; 0: it never looks. */
  readonly intervalMs: number;
}

/** What the leader asks: the hash of these keys, of a member that has applied `index`. */
interface Question {
  readonly number: number;
  readonly index: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly from: string;
  readonly to: string | null;
}

interface Round {
  readonly question: Question;
  readonly asked: readonly string[];
  /** How many belong to the cluster. */
  readonly size: number;
  /** Own hash and those answered; null: it cannot tell, for it has compacted since. */
  readonly hashes: Map<string, number | null>;
}

/**
 * Finds members whose data differ, as etcd's periodic corruption check does: the leader has all hash the same keys at the
 * same revision and raises the Corrupt alarm of those whom a majority contradicts.
 *
 * One question covers a bounded stretch of keys, so that nobody's event loop stands still over a large store; one look is
 * a bounded number of questions, and the next goes on where it ended. A store within that bound is seen whole each time.
 * What is compared is applied and so committed, whoever leads by now: a deposed leader's finding is as true.
 */
export class HashCheck {
  readonly #parts: HashCheckParts;
  #look: Timer | null = null;
  #retry: Timer | null = null;
  #round: Round | null = null;
  #number = 0;
  /** Where the next question begins. */
  #from = "";
  /** Left in this look. */
  #questions = 0;

  constructor(parts: HashCheckParts) {
    this.#parts = parts;
  }

  setLeading(leading: boolean): void {
    this.#look?.cancel();
    this.#look = null;
    this.#round = null;
    if (leading && this.#parts.intervalMs > 0) this.#armLook();
  }

  close(): void {
    this.setLeading(false);
    this.#retry?.cancel();
  }

  /** @throws WireError */
  heard(from: string, kind: number, fields: readonly unknown[]): void {
    if (kind === noteKind.hashQuestion) this.#answer(from, asQuestion(fields), storeLimits.hashCheckAnswerTries);
    if (kind !== noteKind.hashAnswer) return;
    this.#answered(from, asQuestion(fields.slice(1)), fields[0] === null ? null : asInteger(fields[0]));
  }

  #armLook(): void {
    this.#look = this.#parts.timers.schedule(this.#parts.intervalMs, () => {
      this.#armLook();
      this.#judge(); // who has not answered by now is not waited for
      this.#questions = storeLimits.hashCheckQuestions;
      this.#ask();
    });
  }

  #ask(): void {
    const { id, mvcc, members, connected, appliedIndex } = this.#parts;
    const all = members();
    const others = all.filter((member) => member !== id && connected(member));
    if (others.length === 0 || this.#questions-- <= 0) return;
    const from = this.#from;
    const { revision, compactRevision } = mvcc;
    const own = hashSection(mvcc, revision, { from, to: null }, storeLimits.hashCheckBytes);
    const question = { number: ++this.#number, index: appliedIndex(), revision, compactRevision, from, to: own.next };
    this.#from = own.next ?? "";
    if (own.next === null) this.#questions = 0;
    this.#round = { question, asked: others, size: all.length, hashes: new Map([[id, own.hash]]) };
    const note = encodeNote(noteKind.hashQuestion, ...Object.values(question));
    for (const member of others) this.#parts.tell(member, note);
  }

  /** A member that is a little behind tries again: under load every one is, by what is on its way. */
  #answer(to: string, question: Question, tries: number): void {
    const { mvcc, appliedIndex, timers } = this.#parts;
    this.#retry?.cancel();
    this.#retry = null;
    if (appliedIndex() < question.index) {
      if (tries === 0) return;
      const again = () => this.#answer(to, question, tries - 1);
      this.#retry = timers.schedule(storeLimits.hashCheckAnswerMs, again);
      return;
    }
    const same = mvcc.compactRevision === question.compactRevision;
    const hash = same ? hashSection(mvcc, question.revision, question, Infinity).hash : null;
    this.#parts.tell(to, encodeNote(noteKind.hashAnswer, hash, ...Object.values(question)));
  }

  /** A member that was behind may answer late, to a question of an earlier life of this one: numbers begin anew then. */
  #answered(from: string, question: Question, hash: number | null): void {
    const round = this.#round;
    if (round === null || !isSame(round.question, question) || !round.asked.includes(from)) return;
    round.hashes.set(from, hash);
    if (round.hashes.size <= round.asked.length) return;
    this.#judge();
    this.#ask();
  }

  #judge(): void {
    const round = this.#round;
    this.#round = null;
    if (round === null) return;
    const hashes = [...round.hashes].flatMap(([member, hash]) => hash === null ? [] : [{ member, hash }]);
    if (new Set(hashes.map(({ hash }) => hash)).size <= 1) return;
    const count = (wanted: number) => hashes.filter(({ hash }) => hash === wanted).length;
    const right = hashes.find(({ hash }) => count(hash) > round.size / 2)?.hash;
    const wrong = right === undefined ? [""] : hashes.flatMap(({ member, hash }) => hash === right ? [] : [member]);
    const { revision, compactRevision, from, to } = round.question;
    const shown = hashes.map(({ member, hash }) => `${member} ${hash >>> 0}`).join(", ");
    const where = { revision, compactRevision, from, to: to ?? "", hashes: shown };
    for (const member of wrong) {
      this.#parts.log.error("the members' data differ", { member: member === "" ? "unknown" : member, ...where });
      this.#parts.raise(member);
    }
  }
}

function isSame(a: Question, b: Question): boolean {
  return a.number === b.number && a.index === b.index && a.revision === b.revision &&
    a.compactRevision === b.compactRevision && a.from === b.from && a.to === b.to;
}

function asQuestion(fields: readonly unknown[]): Question {
  return {
    number: asInteger(fields[0]),
    index: asInteger(fields[1]),
    revision: asInteger(fields[2]),
    compactRevision: asInteger(fields[3]),
    from: asText(fields[4]),
    to: fields[5] === null ? null : asText(fields[5]),
  };
}
