import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { Timers } from "../../platform/mod.ts";
import * as limits from "../limits.ts";
import type { ContainerRuntime, ExecSession } from "../runtime/types.ts";
import { logEnd, logLines } from "./logs.ts";
import { channels, type StreamLink } from "./stream_link.ts";

export interface StreamOptions {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  readonly tty: boolean;
}

export interface StreamDeps {
  readonly timers: Timers;
  readonly runtime: ContainerRuntime;
}

/** A Status as the error channel carries it. */
type FinalStatus = Record<string, unknown>;

const success: FinalStatus = { metadata: {}, status: "Success" };

function exitStatus(code: number): FinalStatus {
  if (code === 0) return success;
  return {
    metadata: {},
    status: "Failure",
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: "NonZeroExitCode",
    details: { causes: [{ reason: "ExitCode", message: String(code) }] },
  };
}

function internalStatus(error: unknown): FinalStatus {
  const text = error instanceof Error ? error.message : String(error);
  const message = `error executing command in container: ${text}`;
  return {
    metadata: {},
    status: "Failure",
    message: `Internal error occurred: ${message}`,
    reason: "InternalError",
    details: { causes: [{ message }] },
    code: 500,
  };
}

/** The client's end of a session: messages in, frames out. */
class Peer {
  readonly closed: Promise<void>;
  readonly #link: StreamLink;
  readonly #timers: Timers;
  readonly #size = Promise.withResolvers<{ width: number; height: number }>();
  readonly #resolveClosed: () => void;
  #stdin: WritableStreamDefaultWriter<Uint8Array> | null = null;
  readonly #connected = Promise.withResolvers<void>();
  readonly #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #stdinEnded = false;
  #open = true;

  constructor(link: StreamLink, timers: Timers) {
    this.#link = link;
    this.#timers = timers;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.closed = promise;
    this.#resolveClosed = resolve;
    link.onMessage = (message) => this.#take(message);
    link.onClose = () => {
      this.#open = false;
      this.#endStdin();
      resolve();
    };
  }

  /** The terminal's size, which clients send first; undefined when it does not come soon. */
  async size(): Promise<{ width: number; height: number } | undefined> {
    const late = Promise.withResolvers<undefined>();
    const timer = this.#timers.schedule(limits.terminalSizeWaitMs, () => late.resolve(undefined));
    const size = await Promise.race([this.#size.promise, late.promise]);
    timer.cancel();
    return size;
  }

  connectStdin(stream: WritableStream<Uint8Array> | null): void {
    const waiting = this.#waiting.splice(0);
    this.#waitingBytes = 0;
    this.#connected.resolve();
    if (stream === null) return;
    this.#stdin = stream.getWriter();
    // The process may close its stdin whenever it likes.
    this.#stdin.closed.catch(() => {});
    for (const bytes of waiting) void this.#writeStdin(bytes);
    if (this.#stdinEnded) this.#endStdin();
  }

  /** Waits while the client reads too slowly. */
  async send(channel: number, bytes: Uint8Array): Promise<void> {
    if (this.#open) await this.#link.send(concatBytes([Uint8Array.of(channel), bytes]));
  }

  async copy(channel: number, stream: ReadableStream<Uint8Array>, wanted: boolean): Promise<void> {
    for await (const chunk of stream) if (wanted) await this.send(channel, chunk);
  }

  async finish(status: FinalStatus): Promise<void> {
    if (!this.#open) return;
    await this.send(channels.error, utf8(JSON.stringify(status)));
    await this.#link.close(1000);
    this.#resolveClosed();
  }

  #take(message: Uint8Array): Promise<void> | void {
    const data = message.subarray(1);
    switch (message[0]) {
      case channels.stdin:
        return data.length > 0 ? this.#writeStdin(data) : undefined;
      case channels.resize:
        return this.#resize(data);
      case channels.close:
        if (data[0] === channels.stdin) this.#endStdin();
        return;
      default: // Clients do not send on the others.
    }
  }

  #resize(data: Uint8Array): void {
    try {
      const { Width: width, Height: height } = JSON.parse(new TextDecoder().decode(data)) as Record<string, unknown>;
      if (isDimension(width) && isDimension(height)) this.#size.resolve({ width, height });
    } catch {
      // Not a size: ignored, as unknown channels are.
    }
  }

  /** Resolves when the process has taken it: what carries the session waits, where it can. */
  async #writeStdin(bytes: Uint8Array): Promise<void> {
    this.#waitingBytes += bytes.length;
    if (this.#waitingBytes > limits.maxStdinBufferedBytes) return await this.#link.close(1009, "stdin is not read");
    if (this.#stdin === null) {
      this.#waiting.push(bytes);
      return await this.#connected.promise;
    }
    try {
      await this.#stdin.write(bytes);
      this.#waitingBytes -= bytes.length;
    } catch {
      // The process has closed its stdin or ended; what it did not read is lost, as with a pipe.
      this.#waitingBytes = 0;
    }
  }

  #endStdin(): void {
    this.#stdinEnded = true;
    this.#stdin?.close().catch(() => {});
    this.#stdin = null;
  }
}

function isDimension(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value < 65_536;
}

/** Runs a command for the client and tells it how that ended. Never rejects. */
export async function serveExec(
  link: StreamLink,
  id: string,
  command: readonly string[],
  options: StreamOptions,
  deps: StreamDeps,
): Promise<void> {
  const peer = new Peer(link, deps.timers);
  let session: ExecSession;
  try {
    const size = options.tty ? await peer.size() : undefined;
    const { stdin, tty } = options;
    session = await deps.runtime.exec(id, { command, stdin, tty, ...(size === undefined ? {} : { size }) });
  } catch (error) {
    return await peer.finish(internalStatus(error));
  }
  peer.connectStdin(session.stdin);
  // A client that went away takes its command with it.
  void peer.closed.then(() => session.kill());
  try {
    await Promise.all([
      peer.copy(channels.stdout, session.stdout, options.stdout),
      peer.copy(channels.stderr, session.stderr, options.stderr && !options.tty),
    ]);
    await peer.finish(exitStatus(await session.exitCode));
  } catch (error) {
    session.kill();
    await peer.finish(internalStatus(error));
  }
}

/** Shows the client what a container writes from now on, and gives the container what the client types. */
export async function serveAttach(
  link: StreamLink,
  id: string,
  options: StreamOptions,
  deps: StreamDeps,
): Promise<void> {
  const { runtime, timers } = deps;
  const peer = new Peer(link, timers);
  const abort = new AbortController();
  void peer.closed.then(() => abort.abort(new Error("the client has gone")));
  try {
    const from = await logEnd(runtime, id);
    peer.connectStdin(options.stdin ? runtime.attachStdin(id) : null);
    for await (const lines of logLines(runtime, id, { follow: true, from, signal: abort.signal }, timers)) {
      for (const line of lines) {
        const stderr = line.stream === "stderr" && !options.tty;
        if (!(stderr ? options.stderr : options.stdout)) continue;
        await peer.send(stderr ? channels.stderr : channels.stdout, line.text);
      }
    }
    await peer.finish(success);
  } catch (error) {
    await peer.finish(internalStatus(error));
  }
}
