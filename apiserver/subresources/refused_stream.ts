import { concatBytes, utf8 } from "../../base/bytes.ts";
import type { Status } from "../../api/status.ts";
import { text } from "../dig.ts";
import type { Exchange } from "../exchange.ts";

/** The one sub-protocol that Go's client offers. */
const protocol = "v5.channel.k8s.io";
/** The channel that carries the Status at the end of a session. */
const statusChannel = 3;

/**
 * Whether a refusal of this request must travel over the WebSocket itself. Go's client offers the newest protocol alone,
 * drops whatever a refused upgrade says, and asks again by SPDY with a request that Deno.serve answers by itself, with
 * an empty 400. So it is told where it does listen, whoever refuses: who may not exec hears why.
 */
export function listensOnChannel(exchange: Exchange): boolean {
  const { info, request } = exchange;
  if (info.kind !== "resource" || (info.subresource !== "exec" && info.subresource !== "attach")) return false;
  const { headers } = request;
  return text(headers.get("upgrade")).toLowerCase() === "websocket" &&
    text(headers.get("sec-websocket-protocol")).trim() === protocol;
}

/** An upgrade whose one frame is the refusal. */
export function refuseOverChannel(exchange: Exchange, status: Status): Response {
  const { response, channel } = exchange.context.upgradeWebSocket(exchange.request, protocol);
  channel.send(concatBytes([Uint8Array.of(statusChannel), utf8(JSON.stringify(status))]));
  channel.close(1000);
  return response;
}
