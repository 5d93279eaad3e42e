import { concatBytes, fromUtf8, utf8 } from "../../../base/bytes.ts";
import type { Clock, Disk, DiskFile, Log, Timer, Timers } from "../../../platform/mod.ts";
import { formatLog, type LogStream } from "../../core/cri_log.ts";
import * as limits from "../../limits.ts";
import { readIfPresent } from "../../files.ts";
import type { LogChunk, LogCursor } from "../types.ts";

export interface LogPumpDeps {
  readonly disk: Disk;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly log: Log;
}

/** Stops and continues the container, so that its output files hold still. */
export interface Pausing {
  pause(): Promise<void>;
  resume(): Promise<void>;
}

const streams: readonly LogStream[] = ["stdout", "stderr"];
const lineFeed = 10;

/**
 * Brings a container's output into its CRI log. A container writes to plain files, not to pipes: a pipe would break with
 * the kubelet, and a container must not. So its output is found by looking: often while it writes, less often when it is
 * quiet, and at once when somebody reads the log. A line's time is when it was found. How far the files were read is
 * kept beside them, so the next kubelet goes on from there (after a crash, a last batch may appear twice).
 */
export class LogPump {
  readonly #directory: string;
  readonly #deps: LogPumpDeps;
  readonly #pausing: Pausing;
  readonly #interactive: boolean;
  readonly #offsets: Record<LogStream, number> = { stdout: 0, stderr: 0 };
  readonly #raw: Partial<Record<LogStream, DiskFile>> = {};
  #log: DiskFile | null = null;
  #logBytes = 0;
  #generation = 0;
  #state: DiskFile | null = null;
  #timer: Timer | null = null;
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  #quietMs: number = limits.logPollBusyMs;

  /**
   * @param options.directory the container's own
   * @param options.interactive unfinished lines are not held back: somebody may be attached, waiting for a prompt
   */
  constructor(options: { directory: string; interactive: boolean }, pausing: Pausing, deps: LogPumpDeps) {
    this.#directory = options.directory;
    this.#interactive = options.interactive;
    this.#pausing = pausing;
    this.#deps = deps;
  }

  /** Begins, or goes on where an earlier kubelet stopped. */
  async open(): Promise<void> {
    const { disk } = this.#deps;
    const known = await readIfPresent(disk, `${this.#directory}/log.state`);
    if (known !== null) {
      const [out, err, generation] = fromUtf8(known).split(" ").map(Number);
      this.#offsets.stdout = out ?? 0;
      this.#offsets.stderr = err ?? 0;
      this.#generation = generation ?? 0;
    }
    for (const stream of streams) this.#raw[stream] = await disk.open(`${this.#directory}/${stream}`, { create: true });
    this.#log = await disk.open(`${this.#directory}/log`, { create: true });
    this.#logBytes = await this.#log.size();
    this.#state = await disk.open(`${this.#directory}/log.state`, { create: true });
    this.#schedule();
  }

  /** Takes in what has been written so far. */
  flush(): Promise<void> {
    return this.#enqueue(() => this.#poll(false));
  }

  /** The container has ended: takes in the rest, an unfinished line too, and closes the files. */
  finish(): Promise<void> {
    return this.#enqueue(async () => {
      await this.#poll(true);
      this.#close();
    });
  }

  /** Closes the files; the container may go on. */
  stop(): Promise<void> {
    return this.#enqueue(async () => this.#close());
  }

  async read(cursor: LogCursor | null): Promise<LogChunk> {
    const { disk } = this.#deps;
    let { generation, offset } = cursor ?? { generation: this.#generation, offset: 0 };
    for (;;) {
      const current = generation >= this.#generation;
      const bytes = await readPart(disk, `${this.#directory}/${current ? "log" : `log.${generation}`}`, offset);
      // The file was renamed while it was read: read it again under its new name.
      if (current && generation < this.#generation) continue;
      const whole = bytes.subarray(0, bytes.lastIndexOf(lineFeed) + 1);
      if (whole.length > 0) return { bytes: whole, cursor: { generation, offset: offset + whole.length } };
      if (current) return { bytes: whole, cursor: { generation: this.#generation, offset } };
      generation++;
      offset = 0;
    }
  }

  #enqueue(work: () => Promise<void>): Promise<void> {
    const result = this.#tail.then(async () => {
      if (!this.#closed) await work();
    });
    this.#tail = result.catch(() => {});
    return result;
  }

  #schedule(): void {
    if (this.#closed) return;
    this.#timer = this.#deps.timers.schedule(this.#quietMs, () => {
      this.flush().catch((error) => {
        // A full disk, most likely. The output stays in its file; the next look tries again.
        this.#deps.log.warn("container output not logged", { directory: this.#directory, error: String(error) });
      }).finally(() => this.#schedule());
    });
  }

  async #poll(final: boolean): Promise<void> {
    let busy = false;
    for (const stream of streams) {
      const file = this.#raw[stream];
      if (file === undefined) continue;
      busy = await this.#drain(file, stream, final) || busy;
      if (final || this.#offsets[stream] < limits.maxRawOutputBytes) continue;
      await this.#pausing.pause();
      try {
        await this.#drain(file, stream, true);
        await file.truncate(0);
        this.#offsets[stream] = 0;
        await this.#saveState();
      } finally {
        await this.#pausing.resume();
      }
    }
    this.#quietMs = busy ? limits.logPollBusyMs : Math.min(limits.logPollQuietMs, this.#quietMs * 2);
  }

  async #drain(file: DiskFile, stream: LogStream, final: boolean): Promise<boolean> {
    let any = false;
    // Bounded by what was there at the beginning: a container that never stops writing must not hold us here.
    const end = await file.size();
    if (end < this.#offsets[stream]) this.#offsets[stream] = 0; // somebody emptied it
    while (this.#offsets[stream] < end) {
      const raw = await file.readAt(this.#offsets[stream], Math.min(limits.logChunkBytes, end - this.#offsets[stream]));
      const last = this.#offsets[stream] + raw.length >= end;
      const { lines, consumed } = formatLog(raw, stream, this.#deps.clock.now(), {
        final: (final || this.#interactive) && last,
        maxLineBytes: limits.maxLogLineBytes,
      });
      if (consumed === 0) break;
      await this.#append(concatBytes(lines));
      this.#offsets[stream] += consumed;
      await this.#saveState();
      any = true;
    }
    return any;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    const { disk } = this.#deps;
    if (this.#log !== null && this.#logBytes > 0 && this.#logBytes + bytes.length > limits.maxLogFileBytes) {
      this.#log.close();
      await disk.rename(`${this.#directory}/log`, `${this.#directory}/log.${this.#generation}`);
      await disk.remove(`${this.#directory}/log.${this.#generation - (limits.maxLogFiles - 1)}`);
      this.#generation++;
      this.#log = await disk.open(`${this.#directory}/log`, { create: true, truncate: true });
      this.#logBytes = 0;
    }
    await this.#log?.writeAt(this.#logBytes, bytes);
    this.#logBytes += bytes.length;
  }

  async #saveState(): Promise<void> {
    const { stdout, stderr } = this.#offsets;
    await this.#state?.writeAt(0, utf8(`${stdout} ${stderr} ${this.#generation} `.padEnd(63) + "\n"));
  }

  #close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#timer?.cancel();
    for (const stream of streams) this.#raw[stream]?.close();
    this.#log?.close();
    this.#state?.close();
  }
}

async function readPart(disk: Disk, path: string, offset: number): Promise<Uint8Array> {
  let file: DiskFile;
  try {
    file = await disk.open(path, {});
  } catch (error) {
    if (await disk.stat(path) === null) return new Uint8Array(0); // rotated away, or removed with its pod
    throw error;
  }
  try {
    return await file.readAt(offset, limits.logChunkBytes);
  } finally {
    file.close();
  }
}
