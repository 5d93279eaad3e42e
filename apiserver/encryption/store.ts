import { emptyBytes, fromUtf8 } from "../../base/bytes.ts";
import { internal } from "../../api/status.ts";
import type { Ciphers, Log, Random } from "../../platform/mod.ts";
import type {
  KeyValue,
  Operation,
  OperationResponse,
  RangeRequest,
  RangeResponse,
  Store,
  StoreEvent,
  TxnRequest,
  TxnResponse,
  Watch,
  WatchRequest,
  WatchSink,
} from "../../store/types.ts";
import { storedResources } from "../registry/fields.ts";
import { type EncryptionRule, ruleFor } from "./configuration.ts";
import { type Transformer, transformerOf } from "./transform.ts";

export interface EncryptingStore extends Store {
  /** Whether what lies under a key would be written differently now: a write that changes nothing must be written. */
  isStale(key: Uint8Array): boolean;
}

/**
 * The same store with values encrypted at rest by `rules`; everything above sees plain text. Keys, and so names, stay
 * readable. A value that no provider can read fails the read of that object; to lists and watches the object is gone, with a
 * line in the log: one bad value must not take a whole resource away, nor leave an older state of the object in the cache.
 */
export function encryptStore(
  store: Store,
  rules: readonly EncryptionRule[],
  deps: { readonly ciphers: Ciphers; readonly random: Pick<Random, "bytes">; readonly log: Log },
): EncryptingStore {
  const transformers = new Map(rules.map((rule) => [rule, transformerOf(rule.providers, deps)]));
  const find = keyRules(rules);
  const stale = new Set<string>();

  function transformer(key: Uint8Array): Transformer | undefined {
    const rule = find(fromUtf8(key));
    return rule === undefined ? undefined : transformers.get(rule);
  }

  /** Null: unreadable, and said so. @param strict then throw */
  function open(kv: KeyValue, strict: boolean): KeyValue | null {
    const by = kv.value.length === 0 ? undefined : transformer(kv.key);
    if (by === undefined) return kv;
    const key = fromUtf8(kv.key);
    try {
      const opened = by.open(kv.value, kv.key);
      if (opened.stale) stale.add(key);
      else stale.delete(key);
      return { ...kv, value: opened.plain };
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (strict) throw internal(`unable to transform key ${JSON.stringify(key)}: ${why}`);
      deps.log.error("A value at rest cannot be read", { key, error: why });
      return null;
    }
  }

  function openRange(request: RangeRequest, response: RangeResponse): RangeResponse {
    if (request.keysOnly === true || response.kvs.length === 0) return response;
    // An unreadable pair stays, without its value: the next page begins after the last key of this one.
    const strict = request.rangeEnd === undefined;
    return { ...response, kvs: response.kvs.map((kv) => open(kv, strict) ?? { ...kv, value: emptyBytes }) };
  }

  function sealed(operation: Operation): Operation {
    if (operation.kind === "txn") return { kind: "txn", request: sealTxn(operation.request) };
    if (operation.kind !== "put" || operation.ignoreValue === true) return operation;
    const by = transformer(operation.key);
    return by === undefined ? operation : { ...operation, value: by.seal(operation.value, operation.key) };
  }

  function sealTxn({ compare, success, failure }: TxnRequest): TxnRequest {
    return { compare, success: success.map(sealed), failure: failure.map(sealed) };
  }

  function openTxn(request: TxnRequest, response: TxnResponse): TxnResponse {
    const ran = response.succeeded ? request.success : request.failure;
    const responses = response.responses.map((it, at) => openAnswer(ran[at], it));
    return { ...response, responses };
  }

  function openAnswer(operation: Operation | undefined, answer: OperationResponse): OperationResponse {
    switch (answer.kind) {
      case "range":
        if (operation?.kind !== "range") return answer;
        return { kind: "range", response: openRange(operation.request, answer.response) };
      case "put": {
        const prevKv = answer.prevKv === undefined ? null : open(answer.prevKv, false);
        return { kind: "put", ...(prevKv === null ? {} : { prevKv }) };
      }
      case "delete":
        return { ...answer, prevKvs: answer.prevKvs.flatMap((kv) => open(kv, false) ?? []) };
      case "txn":
        if (operation?.kind !== "txn") return answer;
        return { kind: "txn", response: openTxn(operation.request, answer.response) };
    }
  }

  function openEvent(event: StoreEvent): StoreEvent {
    if (event.type === "delete") stale.delete(fromUtf8(event.kv.key));
    // The older value first: whether the key is stale is for the newer one to say.
    const prevKv = event.prevKv === undefined ? null : open(event.prevKv, false);
    const before = prevKv === null ? {} : { prevKv };
    const kv = event.type === "delete" ? event.kv : open(event.kv, false);
    if (kv === null) return { type: "delete", kv: { ...event.kv, value: emptyBytes }, ...before };
    return { type: event.type, kv, ...before };
  }

  return {
    isStale: (key) => stale.has(fromUtf8(key)),
    range: async (request) => openRange(request, await store.range(request)),
    txn: async (request, trace) => openTxn(request, await store.txn(sealTxn(request), trace)),
    watch: (request: WatchRequest, sink: WatchSink): Watch =>
      store.watch(request, {
        onCreated: (revision) => sink.onCreated?.(revision),
        onEvents: (events, revision) => sink.onEvents(events.map(openEvent), revision),
        onProgress: (revision) => sink.onProgress?.(revision),
        onClose: (error) => sink.onClose(error),
        congested: () => sink.congested?.() ?? false,
      }),
    leaseGrant: (ttlSeconds, id) => store.leaseGrant(ttlSeconds, id),
    leaseRevoke: (id) => store.leaseRevoke(id),
    leaseKeepAlive: (id) => store.leaseKeepAlive(id),
    leaseTimeToLive: (id, options) => store.leaseTimeToLive(id, options),
    leases: () => store.leases(),
    compact: (revision) => store.compact(revision),
    status: () => store.status(),
    defragment: () => store.defragment(),
    hashKv: (revision) => store.hashKv(revision),
    alarm: (request) => store.alarm(request),
    membership: store.membership,
    close: () => store.close(),
  };
}

/** Which rule a storage key falls under, remembered by the key's resource. */
function keyRules(rules: readonly EncryptionRule[]): (key: string) => EncryptionRule | undefined {
  const builtin = storedResources().map(({ prefix, info }) => ({
    prefix,
    rule: ruleFor(rules, info.group, info.resource),
  }));
  const known = new Map<string, EncryptionRule | undefined>();
  return (key) => {
    // `/registry/secrets/...`, `/registry/services/specs/...`, `/registry/GROUP/RESOURCE/...`.
    const [, , second = "", third = ""] = key.split("/", 4);
    const single = known.get(second);
    if (single !== undefined || known.has(second)) return single;
    const both = `${second}/${third}`;
    if (known.has(both)) return known.get(both);
    const found = builtin.find(({ prefix }) => key.startsWith(prefix));
    const isSingle = found !== undefined && found.prefix === `/registry/${second}/`;
    // A group has a dot in its name; what else is not a resource's is the server's own.
    const rule = found !== undefined ? found.rule : second.includes(".") ? ruleFor(rules, second, third) : undefined;
    known.set(isSingle ? second : both, rule);
    return rule;
  };
}
