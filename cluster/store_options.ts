import { goDurationMs } from "../base/go_duration.ts";
import type { CompactionPolicy, MemberConfig } from "../store/mod.ts";
import { CliError, exitCode } from "./errors.ts";

/** What `up` was told for the store, in etcd's flags and words. */
export interface StoreRequest {
  readonly autoCompactionMode?: string | undefined;
  readonly autoCompactionRetention?: string | undefined;
  readonly quotaBackendBytes?: string | undefined;
  readonly corruptCheckTime?: string | undefined;
}

/** What the spec keeps of it; what is absent is as by default. */
export interface StoreOptions {
  readonly compaction?: CompactionPolicy;
  /** Null: no quota. */
  readonly quotaBytes?: number | null;
  /** Between two comparisons of the members' data; 0: there is none. */
  readonly corruptCheckMs?: number;
}

/** Closer together, the comparisons would be one that never ends. */
const corruptCheckMsMin = 1_000;
/** Ten samples divide the period, and a compaction for each is enough. */
const retentionMsMin = 1_000;

/** @throws CliError in the flag's name */
export function readStoreRequest(request: StoreRequest): StoreOptions {
  const { quotaBackendBytes, corruptCheckTime } = request;
  const compaction = compactionOf(request);
  return {
    ...(compaction === undefined ? {} : { compaction }),
    ...(quotaBackendBytes === undefined ? {} : quotaOf(quotaBackendBytes)),
    ...(corruptCheckTime === undefined ? {} : { corruptCheckMs: corruptCheckOf(corruptCheckTime) }),
  };
}

/** The part of a member's configuration that the options say. */
export function memberOptions(
  { compaction, quotaBytes, corruptCheckMs }: StoreOptions,
): Pick<MemberConfig, "compaction" | "quotaBytes" | "hashCheckIntervalMs"> {
  return {
    ...(compaction === undefined ? {} : { compaction }),
    ...(quotaBytes === undefined ? {} : { quotaBytes: quotaBytes ?? Infinity }),
    ...(corruptCheckMs === undefined ? {} : { hashCheckIntervalMs: corruptCheckMs }),
  };
}

/** etcd: a bare number is hours in mode `periodic` and revisions in mode `revision`; 0 is off. */
function compactionOf({ autoCompactionMode, autoCompactionRetention }: StoreRequest): CompactionPolicy | undefined {
  const mode = autoCompactionMode ?? "periodic";
  if (mode !== "periodic" && mode !== "revision") {
    throw invalid("--auto-compaction-mode", mode, "must be periodic or revision");
  }
  if (autoCompactionRetention === undefined) {
    if (autoCompactionMode === undefined) return undefined;
    // etcd compacts nothing then: hardly what whoever names a mode has in mind.
    throw new CliError(exitCode.usage, "--auto-compaction-mode needs --auto-compaction-retention", {
      hint: `say how much history is kept, such as ${mode === "periodic" ? "1h" : "100000"}; 0 turns it off`,
    });
  }
  const flag = "--auto-compaction-retention";
  const count = wholeNumber(autoCompactionRetention);
  if (count === 0) return { mode: "off" };
  if (mode === "revision") {
    if (count !== null) return { mode, keepRevisions: count };
    throw invalid(flag, autoCompactionRetention, "must be a number of revisions in mode revision");
  }
  const keepMs = count === null ? durationMs(flag, autoCompactionRetention) : count * hourMs;
  if (keepMs === 0) return { mode: "off" };
  if (keepMs < retentionMsMin || !Number.isSafeInteger(keepMs)) {
    throw invalid(flag, autoCompactionRetention, "must be 0 or at least 1s");
  }
  return { mode, keepMs };
}

/** etcd: 0 is the default, a negative number no quota at all. */
function quotaOf(text: string): StoreOptions {
  const value = /^-?\d+$/.test(text) ? Number(text) : NaN;
  if (!Number.isSafeInteger(value)) throw invalid("--quota-backend-bytes", text, "must be a whole number of bytes");
  if (value === 0) return {};
  return { quotaBytes: value < 0 ? null : value };
}

function corruptCheckOf(text: string): number {
  const flag = "--corrupt-check-time";
  const value = durationMs(flag, text);
  if (value !== 0 && value < corruptCheckMsMin) throw invalid(flag, text, "must be 0 or at least 1s");
  return value;
}

function wholeNumber(text: string): number | null {
  const value = /^\+?\d+$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(value) ? value : null;
}

const hourMs = 3_600_000;

/** A duration as Go reads it: `1h30m`, `500ms`, `0`; rounded to milliseconds. */
function durationMs(flag: string, text: string): number {
  if (text === "0") return 0;
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.test(text)) {
    throw invalid(flag, text, "must be a duration such as 30m, 1h30m or 500ms, or 0");
  }
  const sum = goDurationMs(text);
  const rounded = Math.round(sum);
  if (rounded === 0 && sum > 0) return 1; // never what only an exact 0 means
  return rounded;
}

function invalid(flag: string, value: string, why: string): CliError {
  return new CliError(exitCode.usage, `Invalid ${flag} "${value}": ${why}`);
}
