import { pods } from "../api/resources.ts";
import type { Pod } from "../api/gen/types.ts";
import { ApiError, isNotFound, type RestClient, wasNotSent } from "../client/mod.ts";
import type { Log, Timers } from "../platform/mod.ts";
import type { PodInfo } from "./core/node_info.ts";

export interface BinderDeps {
  readonly client: RestClient;
  readonly timers: Timers;
  readonly log: Log;
  readonly stop: AbortSignal;
}

/** First delay between two looks at a pod whose bind got no answer; doubles up to the maximum. */
const lookAgainBaseMs = 50;
const lookAgainMaxMs = 2_000;

/** Runs binds beside the scheduling loop. The caller keeps `size` within `limits.maxConcurrentBinds`. */
export class Binder {
  readonly #deps: BinderDeps;
  readonly #running = new Set<Promise<void>>();

  constructor(deps: BinderDeps) {
    this.#deps = deps;
  }

  get size(): number {
    return this.#running.size;
  }

  /** @param done called once, with null when the pod has the node for certain */
  start(info: PodInfo, nodeName: string, done: (error: Error | null) => void): void {
    const run = this.#bind(info, nodeName).then((error) => {
      this.#running.delete(run);
      done(error);
    });
    this.#running.add(run);
  }

  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #bind(info: PodInfo, nodeName: string): Promise<Error | null> {
    try {
      await this.#deps.client.bind(info.namespace, info.name, info.uid, nodeName);
      return null;
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      return isDecided(error) ? error : await this.#look(info, nodeName, error);
    }
  }

  /**
   * Whether a bind without an answer was carried out. Until that is known the pod keeps its place in the snapshot, since
   * others must not be given room that it may hold; and its bind slot, since nobody answers anyway.
   */
  async #look(info: PodInfo, nodeName: string, failure: Error): Promise<Error | null> {
    for (let delayMs = lookAgainBaseMs;; delayMs = Math.min(delayMs * 2, lookAgainMaxMs)) {
      if (this.#deps.stop.aborted) return failure;
      try {
        const pod = await this.#deps.client.get<Pod>(pods, info.name, info.namespace);
        return pod.metadata?.uid === info.uid && pod.spec?.nodeName === nodeName ? null : failure;
      } catch (error) {
        if (isNotFound(error)) return failure;
        this.#deps.log.debug("Cannot learn whether a pod was bound", { pod: info.key, error: String(error) });
      }
      try {
        await this.#deps.timers.sleep(delayMs, this.#deps.stop);
      } catch {
        return failure;
      }
    }
  }
}

/** A clear no. A timeout (504) or an error behind the server (500) may hide a write that happened. */
function isDecided(error: Error): boolean {
  return wasNotSent(error) || error instanceof ApiError && error.code !== 504 && error.code !== 500;
}
