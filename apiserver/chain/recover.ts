import { ApiError } from "../../api/status.ts";
import type { Log } from "../../platform/mod.ts";
import type { Filter } from "../exchange.ts";
import { respondError } from "../respond.ts";

/** Failures become Status answers; a bug is logged with its stack, which the client never sees. */
export function recover(log: Log): Filter {
  return async (exchange, next) => {
    try {
      return await next(exchange);
    } catch (error) {
      if (!(error instanceof ApiError)) {
        log.error("A request failed unexpectedly", {
          auditId: exchange.auditId,
          method: exchange.request.method,
          path: exchange.url.pathname,
          error: error instanceof Error ? error.stack ?? error.message : String(error),
        });
      }
      return respondError(error, exchange.request.headers.get("accept"));
    }
  };
}
