import { forbidden } from "../../api/status.ts";
import { attributesOf, deniedText } from "../authz/attributes.ts";
import { decide } from "../authz/decide.ts";
import type { NodeView } from "../authz/node.ts";
import type { Filter } from "../exchange.ts";

export function authorize(view: NodeView): Filter {
  return async (exchange, next) => {
    const attributes = attributesOf(exchange.info);
    const decision = decide(exchange.user, attributes, view);
    if (decision.allowed) return await next(exchange);
    const denied = deniedText(exchange.user.name, attributes);
    const text = decision.reason === "" ? denied : `${denied}: ${decision.reason}`;
    if (attributes.kind === "path") throw forbidden({ group: "", resource: "" }, "", text);
    throw forbidden(attributes, attributes.name, text);
  };
}
