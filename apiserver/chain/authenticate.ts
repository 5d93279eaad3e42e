import { unauthorized } from "../../api/status.ts";
import type { Anonymous } from "../authn/configuration.ts";
import { refuseHeaders, saysWho, userInHeaders } from "../authn/request_headers.ts";
import { anonymous, type User, userOfCertificate } from "../authn/user.ts";
import { webSocketToken } from "../authn/websocket_token.ts";
import { isPublicPath } from "../authz/decide.ts";
import type { Exchange, Filter } from "../exchange.ts";

/** Null: the token proves nothing to this API. */
export type TokenReviewer = (token: string) => Promise<User | null>;

/**
 * What a front proxy says counts before a bearer token, and that before a certificate; a wrong token is refused even
 * where anonymous would do. A front proxy's certificate by itself proves nothing.
 * @param proxyNames the common names that a front proxy may have; none: any
 */
export function authenticate(review: TokenReviewer, proxyNames: readonly string[], open?: Anonymous): Filter {
  return async (exchange, next) => {
    const proxied = userInHeaders(exchange, proxyNames);
    const user = proxied ?? await identify(exchange, review, open);
    if (user === null) throw unauthorized();
    if (proxied === null && saysWho(exchange.request.headers)) throw refuseHeaders();
    exchange.user = user;
    return await next(exchange);
  };
}

async function identify(exchange: Exchange, review: TokenReviewer, open: Anonymous | undefined): Promise<User | null> {
  const header = exchange.request.headers.get("authorization");
  if (header !== null && header.trim() !== "") {
    const token = /^bearer ([^\s]+)$/i.exec(header.trim())?.[1];
    return token === undefined ? null : await review(token);
  }
  const token = webSocketToken(exchange.request.headers);
  if (token !== null) return token === "" ? null : await review(token);
  const { peer } = exchange.context;
  if (peer !== null) return userOfCertificate(peer);
  return mayBeAnonymous(exchange.url.pathname, open) ? anonymous : null;
}

function mayBeAnonymous(path: string, open: Anonymous | undefined): boolean {
  if (open === undefined) return isPublicPath(path);
  return open.enabled && (open.paths.length === 0 || open.paths.includes(path));
}
