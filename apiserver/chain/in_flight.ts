import { tooManyRequests } from "../../api/status.ts";
import type { Filter } from "../exchange.ts";
import { isLongRunning, isReadOnly } from "../exchange.ts";
import { limits } from "../limits.ts";

/**
 * Bounds the requests under way: reads and writes apart, so that a flood of one leaves room for the other. Long-running
 * ones have a bound of their own, kept where they are held open.
 */
export function maxInFlight(): Filter {
  let reads = 0;
  let writes = 0;
  return async (exchange, next) => {
    if (isLongRunning(exchange.info)) return await next(exchange);
    // A full server must still be able to say that it is alive.
    if (exchange.info.kind === "plain" && /^\/(healthz|livez|readyz)/.test(exchange.info.path)) {
      return await next(exchange);
    }
    const readOnly = isReadOnly(exchange.request.method);
    if (readOnly ? reads >= limits.readsInFlight : writes >= limits.mutationsInFlight) {
      throw tooManyRequests("Too many requests, please try again later.", limits.retryAfterSeconds);
    }
    if (readOnly) reads++;
    else writes++;
    try {
      return await next(exchange);
    } finally {
      if (readOnly) reads--;
      else writes--;
    }
  };
}
