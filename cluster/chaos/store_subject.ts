import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { RegisterAction } from "../../base/linearizability.ts";
import type { Platform } from "../../platform/mod.ts";
import { connectStore, type Store, StoreError, type TxnRequest } from "../../store/mod.ts";
import { dataDirectory } from "../home.ts";
import { planOf, storeClientAddresses } from "../plan.ts";
import type { ClusterSpec } from "../spec.ts";
import { Breaker } from "./faults.ts";
import * as limits from "./limits.ts";
import type { Answer, Registers } from "./registers.ts";
import type { Subject } from "./subject.ts";
import { replayWatch, type WatcherConfig } from "./watchers.ts";

/** Everything that the experiments write. */
export const storePrefix = "/chaos/";

export interface StoreConnections {
  /** Over all members, beginning at different ones. */
  readonly free: readonly Store[];
  /** Each to one member alone: what it says when the others are out of its sight. */
  readonly pinned: readonly Store[];
  close(): void;
}

/**
 * Connects to the members' own sockets. Their paths are relative, because a unix path holds 107 bytes: this process's
 * working directory becomes the cluster's until `close`.
 */
export function connectMembers(spec: ClusterSpec, platform: Platform): StoreConnections {
  const before = Deno.cwd();
  Deno.chdir(dataDirectory(spec.name));
  const addresses = storeClientAddresses(spec);
  const free = addresses.map((_, i) =>
    connectStore(
      { endpoints: [...addresses.slice(i), ...addresses.slice(0, i)], requestTimeoutMs: limits.requestTimeoutMs },
      platform,
    )
  );
  const pinned = addresses.map((address) =>
    connectStore({ endpoints: [address], only: true, requestTimeoutMs: limits.pinnedTimeoutMs }, platform)
  );
  return {
    free,
    pinned,
    close() {
      for (const store of [...free, ...pinned]) store.close();
      Deno.chdir(before);
    },
  };
}

/** The store alone, by its own protocol: what the apiservers see. */
export function storeSubject(spec: ClusterSpec, platform: Platform): Subject {
  const connections = connectMembers(spec, platform);
  const breaker = new Breaker(spec, platform);
  const prefix = `${storePrefix}${platform.random.uuid().slice(0, 8)}/`;
  let deposed: Registers | null = null;
  return {
    title: spec.bug === undefined ? "sauropod store" : `sauropod store with ${spec.bug}`,
    timers: spec.timers,
    clients: connections.free.map((free, i) => storeRegisters(free, connections.pinned, prefix, i)),
    doubted: () => deposed,
    awaitRecovery: () => breaker.awaitRecovery(),
    async watchers() {
      const from = `${(await firstOf(connections.free).status()).revision}`;
      return connections.free.map((store) => ({ from, ...watchPrefix(store, prefix) }));
    },
    async inject(scenario, draw, signal) {
      const hit = (name: string) => {
        const at = planOf(spec).filter((each) => each.kind === "store").findIndex((each) => each.name === name);
        const store = connections.pinned[at];
        // Beside another store the load must be the same for both: a paused one is asked more only to prove the checker.
        const asked = scenario === "partition-leader" || (scenario === "pause-leader" && spec.bug !== undefined);
        if (asked && store !== undefined) deposed = storeRegisters(store, [], prefix, 0);
      };
      try {
        return await breaker.inject(scenario, null, draw, signal, hit);
      } finally {
        deposed = null;
      }
    },
    probes: () => Promise.resolve(null),
    replay: (from, until) =>
      replayWatch(watchPrefix(firstOf(connections.free), prefix).open, from, until, platform.timers),
    async close() {
      await breaker.healAll();
      const [key, rangeEnd] = rangeOf(prefix);
      await firstOf(connections.free).txn({ compare: [], success: [{ kind: "delete", key, rangeEnd }], failure: [] })
        .catch(() => {});
      connections.close();
    },
  };
}

function firstOf(stores: readonly Store[]): Store {
  const [first] = stores;
  if (first === undefined) throw new Error("unreachable: a store has members");
  return first;
}

/** [prefix, the first key behind everything that begins with it). */
export function rangeOf(prefix: string): [Uint8Array, Uint8Array] {
  const end = utf8(prefix);
  end[end.length - 1] = (end.at(-1) ?? 0) + 1; // ASCII, so it cannot overflow
  return [utf8(prefix), end];
}

/** Registers that are keys. One read of four goes to one member alone, whoever leads. @param first of the pinned ones */
export function storeRegisters(free: Store, pinned: readonly Store[], prefix: string, first: number): Registers {
  let reads = first;
  return {
    async perform(name, action) {
      const key = utf8(`${prefix}${name}`);
      try {
        if (action.kind === "get") {
          const one = reads++ % 4 === 0 ? pinned[(reads >> 2) % pinned.length] : undefined;
          const { kvs: [kv] } = await (one ?? free).range({ key });
          const known = kv === undefined ? null : { value: fromUtf8(kv.value), version: `${kv.modRevision}` };
          return { kind: "done", known, version: null };
        }
        const { succeeded, revision, responses: [response] } = await free.txn(conditional(key, action));
        if (!succeeded) {
          return { kind: "refused", missing: response?.kind === "range" && response.response.kvs.length === 0 };
        }
        const version = `${revision}`;
        return { kind: "done", known: action.kind === "delete" ? null : { value: action.value, version }, version };
      } catch (error) {
        return answerOf(error);
      }
    },
  };
}

function conditional(key: Uint8Array, action: Exclude<RegisterAction, { kind: "get" }>): TxnRequest {
  const failure: TxnRequest["failure"] = [{ kind: "range", request: { key } }];
  const exists = { key, target: "version", op: ">", value: 0 } as const;
  switch (action.kind) {
    case "create":
      return {
        compare: [{ key, target: "version", op: "=", value: 0 }],
        success: [{ kind: "put", key, value: utf8(action.value) }],
        failure,
      };
    case "put":
      return { compare: [exists], success: [{ kind: "put", key, value: utf8(action.value) }], failure };
    case "swap":
      return {
        compare: [{ key, target: "value", op: "=", value: utf8(action.expected) }],
        success: [{ kind: "put", key, value: utf8(action.value) }],
        failure,
      };
    case "delete":
      return {
        compare: [action.expected === null ? exists : { key, target: "value", op: "=", value: utf8(action.expected) }],
        success: [{ kind: "delete", key }],
        failure,
      };
  }
}

/** The codes say themselves whether a write may have happened. */
function answerOf(error: unknown): Answer {
  if (!(error instanceof StoreError)) return { kind: "unknown", error: String(error) };
  const untried = error.code === "NoLeader" || error.code === "NotLeader" || error.code === "Overloaded" ||
    error.code === "NoSpace";
  return { kind: untried ? "untried" : "unknown", error: error.code };
}

export function watchPrefix(store: Store, prefix: string): Pick<WatcherConfig, "open" | "relist"> {
  const [key, rangeEnd] = rangeOf(prefix);
  return {
    open: (from, onEvent, onProgress, signal) =>
      new Promise((resolve) => {
        const watch = store.watch({ key, rangeEnd, startRevision: Number(from) + 1, progressNotify: true }, {
          onEvents(events) {
            for (const { type, kv } of events) {
              const created = kv.version === 1 ? "ADDED" : "MODIFIED";
              onEvent({
                type: type === "delete" ? "DELETED" : created,
                key: fromUtf8(kv.key).slice(prefix.length),
                value: fromUtf8(kv.value),
                resourceVersion: `${kv.modRevision}`,
              });
            }
          },
          onProgress: (revision) => onProgress(`${revision}`),
          onClose: (error) => resolve(error?.code === "Compacted" ? "compacted" : "ended"),
        });
        signal.addEventListener("abort", () => {
          watch.cancel();
          resolve("ended");
        }, { once: true });
      }),
    relist: async () => `${(await store.status()).revision}`,
  };
}
