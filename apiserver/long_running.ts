import { tooManyRequests } from "../api/status.ts";
import { limits } from "./limits.ts";
import type { Registry, WatchHold } from "./registry/context.ts";

/** Takes a place among the long-running requests. @throws ApiError 429 */
export function holdLongRunning(registry: Registry): WatchHold {
  if (registry.counts.longRunning >= limits.longRunning) {
    throw tooManyRequests("Too many requests, please try again later.", limits.retryAfterSeconds);
  }
  registry.counts.longRunning++;
  let held = true;
  return {
    release: () => {
      if (held) registry.counts.longRunning--;
      held = false;
    },
  };
}
