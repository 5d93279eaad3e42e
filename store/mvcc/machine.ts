import type { WatchHub } from "../watch/hub.ts";
import type { Command, CommandResult } from "./command.ts";
import { fingerprint } from "./hash.ts";
import { Mvcc } from "./mvcc.ts";
import { encodeSnapshot, restoreSnapshot, SnapshotOfMvcc } from "./snapshot.ts";

/** Told of every applied command before watches hear of it; with null after a snapshot replaced the state. */
export type AppliedHook = (command: Command | null) => void;

/**
 * The state machine that the replicas run: log entries in, answers and watch events out. Fits `Machine<CommandResult>` of
 * the replica. The codec is passed in, since this room imports none.
 */
export class StoreMachine {
  readonly mvcc: Mvcc;
  readonly #hub: WatchHub;
  readonly #decode: (bytes: Uint8Array) => Command;
  readonly #applied: AppliedHook;
  /** What was decoded before it was proposed, by its bytes: the leader need not do it again. */
  readonly #decoded = new WeakMap<Uint8Array, Command>();
  #appliedIndex = 0;

  constructor(parts: { mvcc: Mvcc; hub: WatchHub; decode: (bytes: Uint8Array) => Command; applied: AppliedHook }) {
    this.mvcc = parts.mvcc;
    this.#hub = parts.hub;
    this.#decode = parts.decode;
    this.#applied = parts.applied;
  }

  /** Index of the last log entry applied since this process started; 0 when none was. */
  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  /** Someone waits for what is applied. */
  get watched(): boolean {
    return this.#hub.size > 0;
  }

  /** `command` is what `encoded` says; both are about to be proposed here. */
  expect(encoded: Uint8Array, command: Command): void {
    this.#decoded.set(encoded, command);
  }

  /** Throws when the bytes are no command: the log is corrupt, and going on would let the replicas drift apart. */
  apply(index: number, command: Uint8Array): CommandResult {
    this.#appliedIndex = index;
    const decoded = this.#decoded.get(command);
    if (decoded === undefined) return this.run(this.#decode(command));
    // The log keeps the bytes for thousands of entries more; what they were decoded to must not stay with them.
    this.#decoded.delete(command);
    return this.run(decoded);
  }

  /** As {@linkcode apply}, for a store without a log. */
  run(command: Command): CommandResult {
    const { result, revision, changes } = this.mvcc.apply(command);
    this.#applied(command);
    if (changes.length > 0) this.#hub.publish(revision, changes);
    return result;
  }

  /** As of now, whatever is applied before it is read. */
  snapshot(): SnapshotOfMvcc {
    return new SnapshotOfMvcc(this.mvcc);
  }

  /** For tests. */
  snapshotBytes(): Uint8Array {
    return encodeSnapshot(this.mvcc);
  }

  restore(snapshot: Uint8Array): void {
    restoreSnapshot(this.mvcc, snapshot);
    this.#hub.restored();
    this.#applied(null);
  }

  /** Equal on replicas that applied the same entries. Costs a snapshot: for checkers. */
  stateHash(): string {
    return fingerprint(encodeSnapshot(this.mvcc));
  }
}
