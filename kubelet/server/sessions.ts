import type { RequestContext, Timers } from "../../platform/mod.ts";
import { acceptKey, ServerWebSocket } from "../../platform/websocket/mod.ts";
import {
  forwardOverChannels,
  forwardOverSpdy,
  type ForwardTarget,
  portForwardProtocol,
  portsOf,
  tunnelProtocol,
} from "./port_forward.ts";
import { bytesCarrier, openSpdyLink, remoteCommandProtocols, webSocketCarrier } from "./spdy_link.ts";
import type { StreamOptions } from "./exec.ts";
import { channelLink, channelProtocols, type StreamLink, webSocketLink } from "./stream_link.ts";

/** A session's way to its client, and the answer that opens it; null: the client did not open its streams. */
export interface Opened {
  readonly response: Response;
  readonly link: Promise<StreamLink | null>;
}

/** Refused, and why: the client's protocols are not spoken here. */
export interface Refused {
  readonly refusal: string;
}

/** What a request asks to be upgraded to. */
type Asked = "websocket" | "spdy" | null;

function askedFor(request: Request): Asked {
  const upgrade = (request.headers.get("upgrade") ?? "").toLowerCase();
  if (upgrade === "websocket") return "websocket";
  return upgrade === "spdy/3.1" ? "spdy" : null;
}

function listed(request: Request, header: string): string[] {
  return (request.headers.get(header) ?? "").split(",").map((it) => it.trim()).filter((it) => it !== "");
}

/** The first of the client's protocols that is spoken here. */
function choose(offered: readonly string[], known: readonly string[]): string | undefined {
  return offered.find((each) => known.includes(each));
}

function noneIn(offered: readonly string[], known: readonly string[]): Refused {
  return {
    refusal: `unable to negotiate protocol: client supports [${offered.join(" ")}], server accepts [${
      known.join(" ")
    }]`,
  };
}

function webSocketAnswer(request: Request, protocol: string): Headers {
  const headers = new Headers({ upgrade: "websocket", connection: "Upgrade" });
  headers.set("sec-websocket-accept", acceptKey(request.headers.get("sec-websocket-key") ?? ""));
  if (protocol !== "") headers.set("sec-websocket-protocol", protocol);
  return headers;
}

function spdyAnswer(protocol: string): Headers {
  return new Headers({ upgrade: "SPDY/3.1", connection: "Upgrade", "x-stream-protocol-version": protocol });
}

/** Opens an exec or attach session by whatever protocol the client prefers. */
export function openSession(
  request: Request,
  context: RequestContext,
  options: StreamOptions,
  timers: Timers,
): Opened | Refused {
  const asked = askedFor(request);
  const { upgradeBytes } = context;
  if (asked === "websocket") {
    const offered = listed(request, "sec-websocket-protocol");
    const known = channelProtocols.map(({ name }) => name);
    const name = offered.length === 0 ? "" : choose(offered, known);
    const protocol = channelProtocols.find((each) => each.name === name);
    if (protocol === undefined) return noneIn(offered, known);
    if (upgradeBytes !== undefined) {
      const { response, connection } = upgradeBytes(webSocketAnswer(request, protocol.name));
      return { response, link: Promise.resolve(webSocketLink(new ServerWebSocket(connection), protocol)) };
    }
    if (protocol.base64 || protocol.textStatus) return noneIn(offered, known.slice(0, 2));
    const { response, channel } = context.upgradeWebSocket(request, protocol.name);
    return { response, link: Promise.resolve(channelLink(channel, timers)) };
  }
  if (asked === "spdy" && upgradeBytes !== undefined) {
    const offered = listed(request, "x-stream-protocol-version");
    const protocol = offered.length === 0 ? "channel.k8s.io" : choose(offered, remoteCommandProtocols);
    if (protocol === undefined) return noneIn(offered, remoteCommandProtocols);
    const { response, connection } = upgradeBytes(spdyAnswer(protocol));
    return { response, link: openSpdyLink(bytesCarrier(connection), protocol, options, timers) };
  }
  return { refusal: "an upgrade to a WebSocket or to SPDY/3.1 is needed" };
}

const forwardChannels = ["v4.channel.k8s.io", "v4.base64.channel.k8s.io", "portforward.k8s.io"];

/** Begins to forward ports. `done` resolves when the client has gone. */
export function openPortForward(
  request: Request,
  context: RequestContext,
  target: ForwardTarget,
): { readonly response: Response; readonly done: Promise<void> } | Refused {
  const asked = askedFor(request);
  const { upgradeBytes } = context;
  if (upgradeBytes === undefined || asked === null) {
    return { refusal: "an upgrade to a WebSocket or to SPDY/3.1 is needed" };
  }
  if (asked === "spdy") {
    const offered = listed(request, "x-stream-protocol-version");
    if (offered.length > 0 && !offered.includes(portForwardProtocol)) return noneIn(offered, [portForwardProtocol]);
    const { response, connection } = upgradeBytes(spdyAnswer(portForwardProtocol));
    return { response, done: forwardOverSpdy(bytesCarrier(connection), target) };
  }
  const offered = listed(request, "sec-websocket-protocol");
  const known = [tunnelProtocol, ...forwardChannels];
  const protocol = offered.length === 0 ? "" : choose(offered, known);
  if (protocol === undefined) return noneIn(offered, known);
  if (protocol === tunnelProtocol) {
    const { response, connection } = upgradeBytes(webSocketAnswer(request, protocol));
    return { response, done: forwardOverSpdy(webSocketCarrier(new ServerWebSocket(connection)), target) };
  }
  const ports = portsOf(new URL(request.url).searchParams.getAll("ports"));
  if (ports === null) return { refusal: 'query parameter "ports" is required' };
  const { response, connection } = upgradeBytes(webSocketAnswer(request, protocol));
  const base64 = protocol.includes("base64");
  return { response, done: forwardOverChannels(new ServerWebSocket(connection), ports, base64, target) };
}
