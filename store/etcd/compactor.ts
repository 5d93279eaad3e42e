import { utf8 } from "../../base/bytes.ts";
import type { Log, Timer, Timers } from "../../platform/mod.ts";
import { type Store, StoreError, type TxnRequest } from "../types.ts";
import { etcdLimits } from "./limits.ts";

/** The key that kube-apiservers agree on: its version counts the rounds, its value is the last one's revision. */
export const compactRevKey = "compact_rev_key";

export interface CompactorParts {
  readonly store: Pick<Store, "txn" | "compact">;
  readonly timers: Timers;
  readonly log: Log;
  /** Default: kube-apiserver's etcd-compaction-interval, 5 minutes. */
  readonly intervalMs?: number;
}

/**
 * Has an etcd that others may use as well forget what is older than one interval, as kube-apiserver does
 * (k8s.io/apiserver/pkg/storage/etcd3/compact.go): every apiserver tries each round, one wins the compare-and-swap on
 * {@linkcode compactRevKey} and compacts to the revision it saw a round before. Kube-apiservers on the same etcd take part.
 */
export function startCompactor({ store, timers, log, intervalMs = etcdLimits.compactionIntervalMs }: CompactorParts): {
  stop(): void;
} {
  let round = 0;
  /** What was current a round ago; 0: not known yet, this one only looks. */
  let revision = 0;
  let stopped = false;
  let timer: Timer;

  const compact = async (): Promise<void> => {
    const answer = await store.txn(claim(round, revision));
    const seen = answer.revision;
    if (!answer.succeeded) {
      const [there] = answer.responses;
      const kv = there?.kind === "range" ? there.response.kvs[0] : undefined;
      round = kv?.version ?? 0;
    } else {
      round++;
      if (revision > 0) {
        await store.compact(revision);
        log.info("compacted the store", { revision });
      }
    }
    revision = seen;
  };
  const step = async (): Promise<void> => {
    try {
      await compact();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      // Compacted: another program was faster. Everything else is tried again in the next round.
      if (error.code !== "Compacted" && !stopped) log.warn("cannot compact the store", { error: String(error) });
    }
    if (!stopped) schedule();
  };
  const schedule = (): void => {
    timer = timers.schedule(intervalMs, () => void step());
  };
  schedule();
  return {
    stop() {
      stopped = true;
      timer.cancel();
    },
  };
}

function claim(round: number, revision: number): TxnRequest {
  const key = utf8(compactRevKey);
  return {
    compare: [{ key, target: "version", op: "=", value: round }],
    success: [{ kind: "put", key, value: utf8(`${revision}`) }],
    failure: [{ kind: "range", request: { key } }],
  };
}
