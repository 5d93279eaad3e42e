import { fromUtf8 } from "../../base/bytes.ts";

const name = "sec-websocket-protocol";
const prefix = "base64url.bearer.authorization.k8s.io.";

/**
 * A browser cannot set headers on a WebSocket, so its bearer token may travel as one of the subprotocols that it offers,
 * `base64url.bearer.authorization.k8s.io.TOKEN`, beside at least one that can be agreed on (kubernetes/kubernetes #47740).
 * @return null: there is none; "": there is one that cannot be read, or the wrong number of them
 */
export function webSocketToken(headers: Headers): string | null {
  if (headers.get("upgrade")?.toLowerCase() !== "websocket") return null;
  const offered = protocolsOf(headers);
  const tokens = offered.filter((it) => it.startsWith(prefix));
  const [token] = tokens;
  if (token === undefined) return null;
  if (tokens.length > 1 || offered.length === 1) return "";
  const encoded = token.slice(prefix.length);
  if (!/^[A-Za-z0-9_-]+$/.test(encoded)) return "";
  try {
    const binary = atob(encoded.replaceAll("-", "+").replaceAll("_", "/"));
    return fromUtf8(Uint8Array.from(binary, (char) => char.charCodeAt(0)));
  } catch {
    return "";
  }
}

/** The subprotocols that are offered, without the token: it is for no message. */
export function offeredProtocols(headers: Headers): string[] {
  return protocolsOf(headers).filter((it) => !it.startsWith(prefix));
}

/** Takes the token out of what is handed on: to no kubelet, container or log. */
export function dropWebSocketToken(headers: Headers): void {
  if (headers.get(name)?.includes(prefix) === true) headers.set(name, offeredProtocols(headers).join(", "));
}

function protocolsOf(headers: Headers): string[] {
  return (headers.get(name) ?? "").split(",").map((it) => it.trim());
}
