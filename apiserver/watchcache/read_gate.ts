import { utf8 } from "../../base/bytes.ts";
import type { Store } from "../../store/types.ts";

const probe = utf8("/registry/health");

/**
 * "What is the store's revision now?", linearizable. Requests that arrive while a question is under way share the next
 * one: the answer must come from after each of them asked.
 */
export class ReadGate {
  readonly #ask: () => Promise<number>;
  #running: Promise<number> | null = null;
  #next: Promise<number> | null = null;

  constructor(store: Pick<Store, "range">) {
    this.#ask = async () => (await store.range({ key: probe, countOnly: true })).revision;
  }

  revision(): Promise<number> {
    if (this.#running === null) return this.#run();
    this.#next ??= this.#running.then(() => undefined, () => undefined).then(() => {
      this.#next = null;
      return this.#run();
    });
    return this.#next;
  }

  #run(): Promise<number> {
    const run = this.#ask().finally(() => {
      if (this.#running === run) this.#running = null;
    });
    this.#running = run;
    return run;
  }
}
