import { type ChildProcess, type ExitStatus, ProcessError, type Processes, type SpawnOptions } from "../mod.ts";
import type { Life } from "./life.ts";

const signalNumbers = { SIGINT: 2, SIGKILL: 9, SIGTERM: 15 } as const;

export interface SimProgramContext {
  readonly options: SpawnOptions;
  /** What the parent writes; null with `stdin: "null"`. */
  readonly stdin: ReadableStream<Uint8Array> | null;
  writeStdout(bytes: Uint8Array): void;
  writeStderr(bytes: Uint8Array): void;
  /** Aborts with SIGTERM or SIGINT; a program that ignores it goes on until SIGKILL. */
  readonly signal: AbortSignal;
}

/** A program of the simulated world; the promise gives its exit code. */
export type SimProgram = (context: SimProgramContext) => Promise<number>;

interface Output {
  readonly stream: ReadableStream<Uint8Array>;
  write(bytes: Uint8Array): void;
  end(): void;
}

function output(): Output {
  let controller: ReadableStreamDefaultController<Uint8Array> | null = null;
  const stream = new ReadableStream<Uint8Array>({
    start: (c) => void (controller = c),
    cancel: () => void (controller = null),
  });
  return {
    stream,
    write: (bytes) => controller?.enqueue(bytes.slice()),
    end() {
      controller?.close();
      controller = null;
    },
  };
}

/** Child processes as functions; a program that was not registered is not found. */
export function createSimProcesses(life: Life, programs: ReadonlyMap<string, SimProgram>): Processes {
  let nextPid = 1000;
  return {
    spawn(program, options): ChildProcess {
      const run = programs.get(program);
      if (run === undefined) throw new ProcessError("notFound", `Cannot start ${program}: no such simulated program`);
      const pipe = options.stdin === "piped" ? new TransformStream<Uint8Array, Uint8Array>() : null;
      const [stdout, stderr] = [output(), output()];
      const abort = new AbortController();
      let finish: (status: ExitStatus) => void = () => {};
      const exited = new Promise<ExitStatus>((resolve) => void (finish = resolve));
      let running = true;
      let killed: "SIGTERM" | "SIGINT" | null = null;
      function end(status: ExitStatus): void {
        if (!running) return;
        running = false;
        stdout.end();
        stderr.end();
        life.schedule(0, "exit", () => finish(status));
      }
      life.schedule(0, "spawn", () => {
        const context = { options, stdin: pipe?.readable ?? null, signal: abort.signal };
        run({ ...context, writeStdout: stdout.write, writeStderr: stderr.write }).then(
          (code) => end({ code, signal: null }),
          () =>
            end(killed === null ? { code: 1, signal: null } : { code: 128 + signalNumbers[killed], signal: killed }),
        );
      });
      return {
        pid: nextPid++,
        stdin: pipe?.writable ?? null,
        stdout: stdout.stream,
        stderr: stderr.stream,
        exited,
        kill(signal) {
          if (!running) return;
          if (signal === "SIGKILL") return end({ code: 128 + signalNumbers.SIGKILL, signal });
          if (signal === "SIGSTOP" || signal === "SIGCONT") return; // a function cannot be stopped in its middle
          killed = signal;
          abort.abort();
        },
      };
    },
  };
}
