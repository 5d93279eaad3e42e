import { utf8 } from "../../base/bytes.ts";
import type { Disk, Log, Metrics } from "../../platform/mod.ts";
import { RotatingFile } from "../../platform/rotating_file.ts";
import type { Json } from "../dig.ts";
import { limits } from "../limits.ts";

/** Takes audit Events. It never waits: what the disk cannot keep up with is dropped, and counted. */
export interface AuditLog {
  write(event: Json): void;
}

/** A file of JSON, one Event a line. */
export interface AuditFile extends AuditLog {
  /** Resolves when all that was taken is in the file. */
  flush(): Promise<void>;
  /** Flushes and closes. */
  close(): Promise<void>;
}

/** Appends to `path`; a file that has grown too large becomes `path.1`, in the place of the one before it. */
export function openAuditFile(
  path: string,
  { disk, metrics, log }: { readonly disk: Disk; readonly metrics: Metrics; readonly log: Log },
): AuditFile {
  const total = metrics.counter("apiserver_audit_event_total", "Audit events that were written.");
  const failures = metrics.counter("apiserver_audit_error_total", "Audit events that were lost, by plugin.");
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;
  const file = new RotatingFile(disk, path, limits.auditFileBytes);
  let writing: Promise<void> | null = null;

  const lose = (count: number) => failures.add(count, { plugin: "log" });

  async function drain(): Promise<void> {
    while (waiting.length > 0) {
      const lines = waiting;
      const bytes = joined(lines, waitingBytes);
      waiting = [];
      waitingBytes = 0;
      try {
        await file.append(bytes);
        total.add(lines.length);
      } catch (error) {
        lose(lines.length);
        log.error("Cannot write the audit log", { path, events: lines.length, error: String(error) });
      }
    }
    // In the same turn as the last look: what comes after it begins anew.
    writing = null;
  }

  const flush = async () => {
    while (writing !== null) await writing;
  };

  return {
    write(event) {
      const line = utf8(`${JSON.stringify(event)}\n`);
      if (waiting.length >= limits.auditEvents || waitingBytes + line.length > limits.auditBytes) return lose(1);
      waiting.push(line);
      waitingBytes += line.length;
      writing ??= drain();
    },
    flush,
    async close() {
      await flush();
      file.close();
    },
  };
}

function joined(lines: readonly Uint8Array[], length: number): Uint8Array {
  const all = new Uint8Array(length);
  let at = 0;
  for (const line of lines) {
    all.set(line, at);
    at += line.length;
  }
  return all;
}
