/** What the store benchmark needs of a store of three member processes, whoever wrote it. */
export interface Target {
  readonly name: string;
  /** Said in the report: version, flags, transport, what its client costs. */
  readonly about: string;
  /** Spawns three new members under `directory`; does not wait for them. */
  start(directory: string): Running;
}

export interface Running {
  readonly pids: readonly number[];
  /** A client that goes to member `first` with everything that any member may answer. */
  open(first: number): Promise<Client>;
  /** Which member leads; waits until one does. */
  leader(): Promise<number>;
  /** The term now: what it rose by was elected in between. Absent where nobody asks. */
  term?(): Promise<number>;
  /** Starts a member that was killed, on what is on its disk; resolves when it follows a leader again. */
  restart(member: number): Promise<void>;
  /** Ends every process. */
  stop(): Promise<void>;
}

/** Calls reject when the outcome is an error or unknown. */
export interface Client {
  put(key: Uint8Array, value: Uint8Array): Promise<void>;
  /** Linearizable. Rejects when the key is not there. */
  get(key: Uint8Array): Promise<void>;
  /** Resolves when the watch exists; `onEvent` is called once an event. */
  watch(key: Uint8Array, onEvent: () => void): Promise<void>;
  close(): void;
}

export const memberCount = 3;

/** A child that may be killed and started again. */
export class MemberProcess {
  readonly #spawn: () => Deno.ChildProcess;
  #child: Deno.ChildProcess;

  constructor(spawn: () => Deno.ChildProcess) {
    this.#spawn = spawn;
    this.#child = spawn();
  }

  get pid(): number {
    return this.#child.pid;
  }

  async again(): Promise<void> {
    await this.#child.status;
    this.#child = this.#spawn();
  }

  async end(): Promise<void> {
    for (const signal of ["SIGCONT", "SIGKILL"] as const) {
      try {
        this.#child.kill(signal);
      } catch {
        break; // it has ended
      }
    }
    await this.#child.status;
  }
}

export function sleep(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** Calls `attempt` until it does not throw. */
export async function eventually<T>(what: string, attempt: () => Promise<T>, timeoutMs = 30_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > deadline) throw new Error(`${what}: not within ${timeoutMs} ms`, { cause: error });
      await sleep(5);
    }
  }
}
