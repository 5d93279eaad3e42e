import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { Prng } from "../../base/prng.ts";
import type { World } from "../../platform/sim/mod.ts";
import { connectStore, type Store, StoreError, type TxnRequest } from "../../store/mod.ts";
import type { RegisterOperation } from "./checkers/linearizable.ts";
import type { WatchedStream } from "./checkers/watch_order.ts";
import { everyId } from "./cluster.ts";
import type { Swarm } from "./swarm.ts";

/** What clients asked and heard. */
export class History {
  readonly registers = new Map<string, RegisterOperation[]>();
  /** Keys of their own that clients created and were told so. */
  readonly acknowledged = new Set<string>();
  /** Of those, what they deleted again and were told so. */
  readonly deleted = new Set<string>();
  unknown = 0;
  refused = 0;

  get operations(): number {
    let count = this.acknowledged.size;
    for (const operations of this.registers.values()) count += operations.length;
    return count;
  }

  add(key: string, operation: RegisterOperation): void {
    const known = this.registers.get(key);
    if (known === undefined) this.registers.set(key, [operation]);
    else known.push(operation);
  }
}

/** A client: one operation after the other until told to stop. Its machine never fails. */
export class SimClient {
  readonly #world: World;
  readonly #history: History;
  readonly #random: Prng;
  readonly #name: string;
  readonly #thinkMs: number;
  readonly #keys: readonly string[];
  readonly #swarm: Swarm;
  /** The newest that an answer named. */
  #revision = 1;
  readonly store: Store;
  /** The value last seen of each key: what a compare-and-swap expects. */
  readonly #seen = new Map<string, string | null>();
  #counter = 0;
  #stopping = false;

  constructor(world: World, swarm: Swarm, history: History, name: string) {
    this.#world = world;
    this.#history = history;
    this.#random = world.random.fork();
    this.#name = name;
    this.#thinkMs = swarm.thinkMs;
    this.#swarm = swarm;
    this.#keys = Array.from({ length: swarm.keys }, (_, i) => `k${i}`);
    this.store = connectStore(
      {
        endpoints: everyId.map((id) => `tcp:${id}:2379`),
        requestTimeoutMs: 2000,
        watchAt: this.#random.int(2) === 0 ? "leader" : "first", // followers with and without watches
      },
      world.host(name).platform,
    );
  }

  stop(): void {
    this.#stopping = true;
  }

  async run(): Promise<void> {
    const { timers } = this.#world.host(this.#name).platform;
    while (!this.#stopping) {
      await this.#step();
      await timers.sleep(this.#random.next() * this.#thinkMs);
    }
  }

  async #step(): Promise<void> {
    if (this.#random.next() < this.#swarm.compactShare) return await this.#compact();
    const draw = this.#random.int(100);
    const key = this.#keys[this.#random.int(this.#keys.length)] ?? "k0";
    if (draw < 35) return await this.read(key);
    if (draw < 60) return await this.#write(key);
    if (draw < 85) return await this.#compareAndSwap(key);
    return draw < 95 ? await this.#create() : await this.#deleteOwn();
  }

  async #compact(): Promise<void> {
    const revision = this.#revision - this.#random.int(1 + this.#swarm.compactKeep);
    try {
      if (revision > 1) await this.store.compact(revision);
    } catch (error) {
      if (!(error instanceof StoreError && error.code === "Compacted")) this.#failed(error);
    }
  }

  async #deleteOwn(): Promise<void> {
    const mine = [...this.#history.acknowledged].filter((key) => key.startsWith(`own/${this.#name}.`));
    const key = mine[this.#random.int(Math.max(1, mine.length))];
    if (key === undefined) return;
    this.#history.acknowledged.delete(key); // from here on it may be gone
    try {
      const { revision } = await this.store.txn(remove(key));
      this.#revision = Math.max(this.#revision, revision);
      this.#history.deleted.add(key);
    } catch (error) {
      this.#failed(error);
    }
  }

  #unique(): string {
    return `${this.#name}.${++this.#counter}`;
  }

  async read(key: string): Promise<void> {
    const calledMs = this.#world.nowMs;
    try {
      const { kvs, revision } = await this.store.range({ key: utf8(key) });
      this.#revision = Math.max(this.#revision, revision);
      const value = kvs[0] === undefined ? null : fromUtf8(kvs[0].value);
      this.#seen.set(key, value);
      this.#note(key, calledMs, { kind: "read", value }, true);
    } catch (error) {
      this.#failed(error);
    }
  }

  async #write(key: string): Promise<void> {
    const value = this.#unique();
    await this.#attempt(key, { kind: "write", value }, async () => {
      const { succeeded } = await this.store.txn(put(key, value));
      this.#seen.set(key, value);
      return succeeded ? { kind: "write", value } : null;
    });
  }

  async #compareAndSwap(key: string): Promise<void> {
    const value = this.#unique();
    const expect = this.#seen.get(key) ?? null;
    await this.#attempt(key, { kind: "cas", expect, value, outcome: null }, async () => {
      const { succeeded, responses } = await this.store.txn(swap(key, expect, value));
      const [read] = responses;
      const found = read?.kind === "range" ? read.response.kvs[0] : undefined;
      const seen = found === undefined ? null : fromUtf8(found.value);
      this.#seen.set(key, succeeded ? value : seen);
      const outcome = succeeded ? { swapped: true } as const : { swapped: false, seen } as const;
      return { kind: "cas", expect, value, outcome };
    });
  }

  async #create(): Promise<void> {
    const key = `own/${this.#unique()}`;
    try {
      await this.store.txn(put(key, "x".repeat(this.#random.int(200))));
      this.#history.acknowledged.add(key);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** @param unknown the operation as it counts when no answer comes */
  async #attempt(
    key: string,
    unknown: RegisterOperation["action"],
    call: () => Promise<RegisterOperation["action"] | null>,
  ): Promise<void> {
    const calledMs = this.#world.nowMs;
    try {
      const action = await call();
      if (action !== null) this.#note(key, calledMs, action, true);
    } catch (error) {
      if (this.#failed(error) === "unknown") this.#note(key, calledMs, unknown, false);
    }
  }

  #note(key: string, calledMs: number, action: RegisterOperation["action"], answered: boolean): void {
    const returnedMs = answered ? this.#world.nowMs : Infinity;
    this.#history.add(key, { client: this.#name, calledMs, returnedMs, action });
  }

  /** Unavailable: it may have happened. NoLeader, NotLeader, NoSpace: it has not. Anything else is a bug. */
  #failed(error: unknown): "unknown" | "refused" {
    if (!(error instanceof StoreError)) throw error;
    switch (error.code) {
      case "Unavailable":
        this.#history.unknown++;
        return "unknown";
      case "NoLeader":
      case "NotLeader":
      case "NoSpace":
        this.#history.refused++;
        return "refused";
      default:
        throw error;
    }
  }
}

function put(key: string, value: string): TxnRequest {
  return { compare: [], success: [{ kind: "put", key: utf8(key), value: utf8(value) }], failure: [] };
}

function remove(key: string): TxnRequest {
  return { compare: [], success: [{ kind: "delete", key: utf8(key) }], failure: [] };
}

function swap(key: string, expect: string | null, value: string): TxnRequest {
  return {
    compare: [
      expect === null
        ? { key: utf8(key), target: "version", op: "=", value: 0 }
        : { key: utf8(key), target: "value", op: "=", value: utf8(expect) },
    ],
    success: [{ kind: "put", key: utf8(key), value: utf8(value) }],
    failure: [{ kind: "range", request: { key: utf8(key) } }],
  };
}

/** Watches the whole key space, starting again behind what it has whenever its connection breaks. */
export class SimWatcher {
  readonly seen: WatchedStream = { changes: [], restarts: [] };
  readonly #store: Store;
  readonly #retry: (fn: () => void) => void;
  #revision = 0;
  #ended = false;
  resumed = -1;

  constructor(store: Store, retry: (fn: () => void) => void) {
    this.#store = store;
    this.#retry = retry;
    this.#watch();
  }

  get revision(): number {
    return this.#revision;
  }

  end(): void {
    this.#ended = true;
  }

  #watch(): void {
    if (this.#ended) return;
    this.resumed++;
    const zero = new Uint8Array([0]);
    this.#store.watch({ key: zero, rangeEnd: zero, startRevision: this.#revision + 1 }, {
      onEvents: (events, revision) => {
        for (const { type, kv } of events) {
          const value = type === "put" ? fromUtf8(kv.value) : null;
          this.seen.changes.push({ revision: kv.modRevision, key: fromUtf8(kv.key), value });
        }
        this.#revision = revision;
      },
      onClose: (error) => {
        // What lay between is gone, and the watch was told so; the compact revision itself can still be watched.
        const from = error?.code === "Compacted" ? error.compactRevision ?? 0 : 0;
        if (from > this.#revision + 1) {
          this.#revision = from - 1;
          this.seen.restarts.push({ at: this.seen.changes.length, from });
        }
        this.#retry(() => this.#watch());
      },
    });
  }
}
