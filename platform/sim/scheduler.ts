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
 * Returns when no microtask is left. setImmediate runs in a turn of the event loop of its own, which the engine only
 * begins with an empty microtask queue, however long the chains of promises were. Nothing else may have macrotasks
 * under way while the world runs: then every promise settles in an order that the seed alone decides.
 */
function drainMicrotasks(): Promise<void> {
  return new Promise((resolve) => void setImmediate(resolve));
}

/** Turns of the microtask queue after a task that gets no turn of the event loop. */
const hopsPerTask = 32;

/** Virtual time and the queue of everything that will happen, ordered by (time, order of scheduling). */
export class Scheduler {
  readonly trace = new TraceHash();
  readonly #queue = new Heap<Task>((a, b) => a.at < b.at || (a.at === b.at && a.id < b.id));
  readonly #tasksPerTurn: number;
  #nowMs = 0;
  #nextId = 0;
  #executed = 0;
  #running = false;

  /**
   * @param tasksPerTurn 1: every task gets a turn of the event loop, which costs as much as the task. More: the tasks
   * between have 32 turns of the microtask queue; longer chains go on beside the next task, the same way in every run
   */
  constructor(tasksPerTurn = 1) {
    this.#tasksPerTurn = tasksPerTurn;
  }

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
    const task: Task = { at: this.#nowMs + Math.max(0, delayMs), id: this.#nextId++, label, detail, run };
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
      await drainMicrotasks();
      while (!predicate()) {
        const next = this.#queue.peek();
        if (next === undefined || next.at > limitMs) {
          this.#nowMs = Math.max(this.#nowMs, Number.isFinite(limitMs) ? limitMs : 0);
          return false;
        }
        this.#queue.pop();
        if (next.run === null) continue;
        this.#nowMs = next.at;
        this.#executed++;
        this.trace.addNumber(next.at);
        this.trace.addLabel(next.label);
        this.trace.addNumber(next.detail);
        next.run();
        if (this.#executed % this.#tasksPerTurn === 0) await drainMicrotasks();
        else for (let hop = 0; hop < hopsPerTask; hop++) await null;
      }
      return true;
    } finally {
      this.#running = false;
    }
  }
}
