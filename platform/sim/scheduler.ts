import { setImmediate } from "node:timers";
import { invariant } from "../../base/assert.ts";
import { Heap } from "../../base/heap.ts";
import { TraceHash } from "./trace.ts";

interface Task {
  readonly at: number;
  readonly id: number;
  readonly label: string;
  readonly detail: number;
  run: (() => void) | null;
}

export interface TaskHandle {
  cancel(): void;
}

/**
 * A turn of the event loop of its own, which the engine only begins with an empty microtask queue, however long the
 * chains of promises were. Nothing else may have macrotasks under way while the world runs: then every promise settles
 * in an order that the seed alone decides.
 */
function turn(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** The engine's own microtask checkpoint; null where this Deno does not show it, and then every task gets a turn. */
const runMicrotasks = findRunMicrotasks();

function findRunMicrotasks(): (() => void) | null {
  const { internal } = Deno as unknown as { readonly internal?: symbol };
  if (internal === undefined) return null;
  const { core } = (Reflect.get(Deno, internal) ?? {}) as { readonly core?: { readonly runMicrotasks?: unknown } };
  const found = core?.runMicrotasks;
  return typeof found === "function" ? () => void Reflect.apply(found, core, []) : null;
}

/**
 * A shorter delay may be nothing beside the time it is added to: who waits for the rest of it would wait for ever, at one
 * moment. No real timer is as fine.
 */
const shortestDelayMs = 1e-3;
/** Tasks between two turns of the event loop: only there are rejections that nobody handles noticed. */
const tasksPerTurn = runMicrotasks === null ? 1 : 256;

/** Virtual time and the queue of everything that will happen, ordered by (time, order of scheduling). */
export class Scheduler {
  readonly trace = new TraceHash();
  readonly #queue = new Heap<Task>((a, b) => a.at < b.at || (a.at === b.at && a.id < b.id));
  #nowMs = 0;
  #nextId = 0;
  #executed = 0;
  #running = false;

  /** Virtual milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Tasks run so far. */
  get executed(): number {
    return this.#executed;
  }

  /** @param label a fixed text, part of the trace @param detail a number that goes into the trace too */
  schedule(delayMs: number, label: string, run: () => void, detail = 0): TaskHandle {
    invariant(!Number.isNaN(delayMs), `A delay must be a number (${label})`);
    const task: Task = {
      at: this.#nowMs + (delayMs > 0 ? Math.max(shortestDelayMs, delayMs) : 0),
      id: this.#nextId++,
      label,
      detail,
      run,
    };
    this.#queue.push(task);
    return { cancel: () => void (task.run = null) };
  }

  /**
   * Runs tasks, each to quiet, until `predicate` holds (checked first and after every task) or nothing is left up to
   * `limitMs`; time then stands at `limitMs`. Returns whether it held. An error thrown by a task ends the run.
   */
  async runUntil(predicate: () => boolean, limitMs: number): Promise<boolean> {
    invariant(!this.#running, "The world is already running: only its driver may run it");
    this.#running = true;
    try {
      for (;;) {
        await turn();
        const held = await new Promise<boolean | null>((resolve, reject) => {
          // Not from a microtask: the engine does not begin a checkpoint within another.
          setImmediate(() => {
            try {
              resolve(this.#runTasks(predicate, limitMs));
            } catch (error) {
              reject(error);
            }
          });
        });
        if (held !== null) return held;
      }
    } finally {
      this.#running = false;
    }
  }

  /** @return null: a turn of the event loop is due */
  #runTasks(predicate: () => boolean, limitMs: number): boolean | null {
    for (let left = tasksPerTurn; left > 0; left--) {
      if (predicate()) return true;
      let next = this.#queue.peek();
      while (next !== undefined && next.run === null) {
        this.#queue.pop();
        next = this.#queue.peek();
      }
      if (next === undefined || next.at > limitMs) {
        this.#nowMs = Math.max(this.#nowMs, Number.isFinite(limitMs) ? limitMs : 0);
        return false;
      }
      this.#queue.pop();
      this.#nowMs = next.at;
      this.#executed++;
      this.trace.addNumber(next.at);
      this.trace.addLabel(next.label);
      this.trace.addNumber(next.detail);
      next.run?.();
      runMicrotasks?.();
    }
    return null;
  }
}
