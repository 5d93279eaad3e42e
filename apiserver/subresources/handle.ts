import { pageNotFound } from "../respond.ts";
import type { ServerDeps } from "../config.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import type { ResourceRequest } from "../request_info.ts";

/** Sub-resources that show and change the object itself. */
export function isViewOfObject(subresource: string): boolean {
  return subresource === "status" || subresource === "finalize";
}

export async function handleSubresource(
  _registry: Registry,
  _deps: ServerDeps,
  _exchange: Exchange,
  _request: ResourceRequest,
): Promise<Response> {
  return await Promise.resolve(pageNotFound());
}
