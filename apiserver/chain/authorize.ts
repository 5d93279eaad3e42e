import { type ApiError, forbidden, serviceUnavailable } from "../../api/status.ts";
import { type Attributes, attributesOf, deniedText } from "../authz/attributes.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import type { Decision } from "../authz/decide.ts";
import type { User } from "../authn/user.ts";
import type { Filter } from "../exchange.ts";

export function authorize(authorizer: Authorizer): Filter {
  return async (exchange, next) => {
    const attributes = attributesOf(exchange.info);
    const decision = await decideLoaded(authorizer, exchange.user, attributes);
    if (exchange.audit !== undefined) {
      const { annotations } = exchange.audit;
      annotations["authorization.k8s.io/decision"] = decision.allowed ? "allow" : "forbid";
      annotations["authorization.k8s.io/reason"] = decision.reason;
    }
    if (decision.allowed) return await next(exchange);
    throw denied(exchange.user, attributes, decision.reason);
  };
}

/** A server that is starting does not know its roles yet: that is no reason to refuse. @throws ApiError 503 */
export async function decideLoaded(authorizer: Authorizer, user: User, attributes: Attributes): Promise<Decision> {
  const decision = authorizer.decide(user, attributes);
  if (decision.allowed) return decision;
  if (!(await authorizer.whenLoaded())) throw serviceUnavailable("the roles are not loaded yet", 1);
  return authorizer.decide(user, attributes);
}

/** The 403, in upstream's words. */
export function denied(user: User, attributes: Attributes, reason: string): ApiError {
  const sentence = deniedText(user.name, attributes);
  const text = reason === "" ? sentence : `${sentence}: ${reason}`;
  if (attributes.kind === "path") return forbidden({ group: "", resource: "" }, "", text);
  return forbidden(attributes, attributes.name, text);
}
