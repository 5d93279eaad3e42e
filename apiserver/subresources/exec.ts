import { badRequest, internal } from "../../api/status.ts";
import type { WebSocketChannel } from "../../platform/mod.ts";
import { offeredProtocols } from "../authn/websocket_token.ts";
import type { ServerDeps } from "../config.ts";
import { text } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { holdLongRunning } from "../long_running.ts";
import { isTrue, type ResourceRequest } from "../request_info.ts";
import { findContainer, kubeletClient } from "./kubelet.ts";
import { canPassUpgrade, passUpgrade } from "./upgrade.ts";

/** What clients may choose from; 5 adds the frame that closes stdin. The frames are the same otherwise. */
const protocols = ["v5.channel.k8s.io", "v4.channel.k8s.io"] as const;

/**
 * Exec and attach. Where the connection's bytes can be had, they are passed on, whatever is spoken; otherwise the
 * client's WebSocket is joined to one of the kubelet's. The kubelet is asked first, so that every refusal is a Status.
 */
export async function handleStream(
  registry: Registry,
  deps: ServerDeps,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const client = kubeletClient(deps);
  const bytes = canPassUpgrade(exchange, client);
  const protocol = bytes ? "" : agreeOnProtocol(exchange.request.headers);
  const query = streamQuery(request);
  const place = await findContainer(registry, request.namespace, request.name, request.query.get("container") ?? "");
  if (place.kubelet === null) throw badRequest(`pod ${request.name} does not have a host assigned`);
  const parts = [request.subresource, request.namespace, request.name, place.container];
  const path = `${place.kubelet}/${parts.map(encodeURIComponent).join("/")}?${query}`;
  if (bytes) return await passUpgrade(registry, exchange, client, `https://${path}`);
  const hold = holdLongRunning(registry);
  try {
    const backend = await dial(registry, deps, `wss://${path}`);
    const { response, channel } = exchange.context.upgradeWebSocket(exchange.request, protocol);
    join(channel, backend, hold.release);
    return response;
  } catch (error) {
    hold.release();
    throw error;
  }
}

/** @throws ApiError 400 for anything but a WebSocket upgrade with a protocol that is spoken */
function agreeOnProtocol(headers: Headers): string {
  const upgrade = text(headers.get("upgrade")).toLowerCase();
  if (upgrade !== "websocket") throw badRequest("Upgrade request required");
  const offered = offeredProtocols(headers);
  const chosen = protocols.find((it) => offered.includes(it));
  if (chosen === undefined) {
    throw badRequest(
      `unable to negotiate a sub-protocol: client offers [${offered.join(" ")}], server knows [${protocols.join(" ")}]`,
    );
  }
  return chosen;
}

function streamQuery(request: ResourceRequest): URLSearchParams {
  const query = new URLSearchParams();
  if (request.subresource === "exec") {
    const command = request.query.getAll("command");
    if (command.length === 0) throw badRequest("you must specify at least one command for the container");
    for (const part of command) query.append("command", part);
  }
  const streams = ["stdin", "stdout", "stderr"].filter((name) => isTrue(request.query.get(name)));
  if (streams.length === 0) throw badRequest("you must specify at least one of stdin, stdout, stderr");
  const tty = isTrue(request.query.get("tty"));
  if (tty && streams.includes("stderr")) throw badRequest("tty and stderr cannot both be true");
  for (const name of streams) query.set(name, "true");
  if (tty) query.set("tty", "true");
  return query;
}

async function dial(registry: Registry, deps: ServerDeps, url: string): Promise<WebSocketChannel> {
  const client = kubeletClient(deps);
  let late = false;
  const dialled = client.webSocket(url, { protocols: [protocols[0]] });
  // A kubelet that answers after we gave up is hung up on.
  dialled.then((channel) => late && channel.close(), () => {});
  let timer = { cancel() {} };
  const tooLate = new Promise<never>((_, reject) => {
    timer = registry.timers.schedule(limits.kubeletDialMs, () => {
      late = true;
      reject(internal("the kubelet did not answer in time"));
    });
  });
  try {
    return await Promise.race([dialled, tooLate]);
  } catch (error) {
    throw late ? error : internal(error);
  } finally {
    timer.cancel();
  }
}

/** Passes messages both ways until one side closes, or does not take them. */
function join(client: WebSocketChannel, kubelet: WebSocketChannel, ended: () => void): void {
  let open = true;
  const finish = (code: number, reason: string) => {
    if (!open) return;
    open = false;
    ended();
    for (const side of [client, kubelet]) closeWith(side, code, reason);
  };
  const pass = (to: WebSocketChannel) => (data: Uint8Array | string) => {
    if (!open) return;
    to.send(data);
    if (to.bufferedBytes > limits.channelBufferedBytes) finish(1011, "the other side does not read");
  };
  client.onMessage = pass(kubelet);
  kubelet.onMessage = pass(client);
  client.onClose = finish;
  kubelet.onClose = finish;
}

/** Only some codes may be sent; the others stand for the absence of one. */
function closeWith(side: WebSocketChannel, code: number, reason: string): void {
  const sendable = code === 1000 || (code >= 1007 && code <= 1011) || (code >= 3000 && code <= 4999);
  if (sendable) side.close(code, reason);
  else side.close();
}
