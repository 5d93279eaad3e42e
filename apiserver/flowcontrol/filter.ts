import { tooManyRequests } from "../../api/status.ts";
import type { Filter } from "../exchange.ts";
import { limits } from "../limits.ts";
import type { FlowControl } from "./control.ts";

/**
 * Lets requests through as their priority levels have seats. A watch keeps its seat while it starts and gives it back with
 * the first of its response; what else runs long has a bound of its own, kept where it is held open.
 */
export function prioritize(control: FlowControl): Filter {
  return async (exchange, next) => {
    const { info, user } = exchange;
    const assignment = control.assign(user, info);
    const { flow, level } = assignment;
    exchange.flow = { schemaUid: flow.uid, levelUid: level.uid };
    if (isHeldElsewhere(exchange)) return await next(exchange);
    if (!control.tryStart(level) && await control.wait(assignment, user, info) !== null) {
      throw tooManyRequests("Too many requests, please try again later.", limits.retryAfterSeconds);
    }
    try {
      return await next(exchange);
    } finally {
      control.finish(level);
    }
  };
}

function isHeldElsewhere({ info }: Parameters<Filter>[0]): boolean {
  return info.kind === "resource" && (info.subresource === "exec" || info.subresource === "attach" ||
    (info.subresource === "log" && info.query.has("follow")));
}
