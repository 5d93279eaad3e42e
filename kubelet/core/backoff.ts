/** One key's back-off, as client-go's flowcontrol.Backoff keeps it. Milliseconds. */
export interface CrashBackoff {
  delayMs: number;
  lastUpdateMs: number;
}

export interface BackoffLimits {
  readonly initialMs: number;
  readonly maxMs: number;
}

/** After twice the longest wait without a failure, the next failure counts as the first. */
function expired(entry: CrashBackoff, eventMs: number, limits: BackoffLimits): boolean {
  return eventMs - entry.lastUpdateMs > 2 * limits.maxMs;
}

/** When a retry of what failed at `eventMs` may begin; `eventMs` itself when there is nothing to wait for. */
export function retryAt(entry: CrashBackoff | undefined, eventMs: number, limits: BackoffLimits): number {
  if (entry === undefined || expired(entry, eventMs, limits)) return eventMs;
  return eventMs + entry.delayMs;
}

/** The entry after another retry: 10 s, 20 s, 40 s, ... up to the maximum. */
export function nextBackoff(
  entry: CrashBackoff | undefined,
  eventMs: number,
  nowMs: number,
  limits: BackoffLimits,
): CrashBackoff {
  const fresh = entry === undefined || expired(entry, eventMs, limits);
  return {
    delayMs: fresh ? limits.initialMs : Math.min(entry.delayMs * 2, limits.maxMs),
    lastUpdateMs: nowMs,
  };
}

/** A duration in Go's words: `10s`, `1m20s`, `5m0s`, `1.5s`, `200ms`. */
export function goDuration(ms: number): string {
  if (ms === 0) return "0s";
  if (ms < 1000) return `${Math.round(ms * 1000) / 1000}ms`;
  const hours = Math.floor(ms / 3_600_000);
  const minutes = Math.floor(ms / 60_000) % 60;
  const seconds = `${Math.round(ms % 60_000) / 1000}s`;
  if (hours > 0) return `${hours}h${minutes}m${seconds}`;
  return minutes > 0 ? `${minutes}m${seconds}` : seconds;
}
