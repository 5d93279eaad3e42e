import { invariant } from "../../base/assert.ts";
import { admitConnect } from "../admission/connect.ts";
import type { ServerDeps } from "../config.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import type { ResourceRequest } from "../request_info.ts";
import { writeContext } from "../resource_handler.ts";
import { handleBinding } from "./binding.ts";
import { handleEviction } from "./eviction.ts";
import { handleStream } from "./exec.ts";
import { handlePortForward } from "./port_forward.ts";
import { handleProxy } from "./proxy.ts";
import { handleLog } from "./log.ts";
import { handleScale } from "./scale.ts";
import { handleToken } from "./token.ts";

/** Sub-resources that show and change the object itself. */
export function isViewOfObject(subresource: string): boolean {
  return views.has(subresource);
}

const views: ReadonlySet<string> = new Set(["approval", "ephemeralcontainers", "finalize", "resize", "status"]);

/** Sub-resources with a kind of their own, or none. */
export async function handleSubresource(
  registry: Registry,
  deps: ServerDeps,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  switch (request.subresource) {
    case "binding":
      return await handleBinding(registry, exchange, request);
    case "eviction":
      return await handleEviction(registry, exchange, request);
    case "scale":
      return await handleScale(registry, exchange, request);
    case "token":
      return await handleToken(registry, exchange, request);
    case "log":
      return await handleLog(registry, deps, request);
    case "proxy":
      return await handleProxy(registry, deps, exchange, request);
    case "portforward":
      return await handlePortForward(registry, deps, exchange, request);
    case "exec":
    case "attach":
      await admitConnect(registry, writeContext(exchange), request);
      return await handleStream(registry, deps, exchange, request);
  }
  invariant(false, `sub-resource ${request.subresource} is listed and not handled`);
}
