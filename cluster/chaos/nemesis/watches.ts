import type { Clock, Timers } from "../../../platform/mod.ts";
import type { Store, Watch } from "../../../store/mod.ts";
import { rangeOf } from "../store_subject.ts";
import type { WatchJudge } from "./watch_checks.ts";

export interface JudgedWatch {
  readonly judge: WatchJudge;
  readonly resumes: number;
  readonly relists: number;
  requestProgress(): void;
  stop(): void;
}

const retryMs = 20;

/** Watches everything behind `from` (of `prefix`, or of all keys), resuming whenever it ends, under the eyes of `judge`. */
export function judgedWatch(
  store: Store,
  prefix: string | null,
  judge: WatchJudge,
  options: { readonly from: number; readonly clock: Clock; readonly timers: Timers },
): JudgedWatch {
  const all = new Uint8Array([0]);
  const [key, rangeEnd] = prefix === null ? [all, all] : rangeOf(prefix);
  let stopped = false;
  let resumes = 0;
  let relists = 0;
  let current: Watch | null = null;

  function open(startRevision: number): void {
    if (stopped) return;
    judge.opened(startRevision);
    current = store.watch({ key, rangeEnd, startRevision, prevKv: true, progressNotify: true }, {
      onEvents: (events, revision) => judge.delivered(events, revision),
      onProgress: (revision) => judge.progress(revision),
      onClose(error) {
        if (stopped) return;
        resumes++;
        if (error?.code === "Compacted") {
          relists++;
          judge.excused((error.compactRevision ?? judge.complete + 1) - 1);
        }
        options.timers.schedule(retryMs, () => open(judge.complete + 1));
      },
    });
  }
  open(options.from);

  return {
    judge,
    get resumes() {
      return resumes;
    },
    get relists() {
      return relists;
    },
    requestProgress: () => current?.requestProgress(),
    stop() {
      stopped = true;
      current?.cancel();
    },
  };
}
