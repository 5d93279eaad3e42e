import { forbidden } from "../../api/status.ts";
import type { Exchange, Handler } from "../exchange.ts";

/**
 * No front proxy is trusted, and nobody may impersonate: identity headers are refused rather than ignored, so that a
 * client that relies on them does not act with rights it did not expect.
 */
export async function refuseIdentityHeaders(exchange: Exchange, next: Handler): Promise<Response> {
  for (const [name, value] of exchange.request.headers) {
    if (name.startsWith("impersonate-")) {
      const user = name === "impersonate-user" ? value : exchange.request.headers.get("impersonate-user") ?? "";
      const why =
        `User "${exchange.user.name}" cannot impersonate resource "users" in API group "" at the cluster scope`;
      throw forbidden({ group: "", resource: "users" }, user, why);
    }
    if (name.startsWith("x-remote-")) {
      throw forbidden(
        { group: "", resource: "" },
        "",
        `header ${name} is only taken from a front proxy, and there is none`,
      );
    }
  }
  return await next(exchange);
}
