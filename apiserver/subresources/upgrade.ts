import { ApiError, internal } from "../../api/status.ts";
import type { HttpClient, UpgradeAnswer } from "../../platform/mod.ts";
import { dropWebSocketToken } from "../authn/websocket_token.ts";
import type { Exchange } from "../exchange.ts";
import { limits } from "../limits.ts";
import { holdLongRunning } from "../long_running.ts";
import type { Registry } from "../registry/context.ts";
import { splice } from "../splice.ts";
import { kubeletFailure } from "./kubelet.ts";

/** Whether this request's connection and this client can carry an upgrade's bytes through. */
export function canPassUpgrade(exchange: Exchange, client: HttpClient): boolean {
  return exchange.context.upgradeBytes !== undefined && client.upgrade !== undefined;
}

const handshake = ["upgrade", "sec-websocket-key", "sec-websocket-version", "sec-websocket-protocol"];
const forwarded = [...handshake, "x-stream-protocol-version"];
const answered = ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-protocol"];
const returned = [...answered, "x-stream-protocol-version"];

function only(headers: Headers, names: readonly string[]): Headers {
  const picked = new Headers();
  for (const name of names) {
    const value = headers.get(name);
    if (value !== null) picked.set(name, value);
  }
  return picked;
}

/**
 * Joins the client's connection to a backend that is asked for the same upgrade: whatever they speak then, SPDY or a
 * WebSocket, is theirs. A backend that refuses is an error while the client can still be told.
 * @param more headers for the backend besides those of the handshake @throws ApiError
 */
export async function passUpgrade(
  registry: Registry,
  exchange: Exchange,
  client: HttpClient,
  url: string,
  more: Headers = new Headers(),
): Promise<Response> {
  const { upgradeBytes } = exchange.context;
  if (upgradeBytes === undefined || client.upgrade === undefined) throw internal("this connection cannot be upgraded");
  const headers = only(exchange.request.headers, forwarded);
  for (const [name, value] of more) headers.set(name, value);
  dropWebSocketToken(headers);
  const hold = holdLongRunning(registry);
  try {
    const answer = await ask(registry, client, url, exchange.request.method, headers);
    if (answer.connection === null) {
      throw await kubeletFailure(new Response(answer.text, { status: Math.max(200, answer.status) }));
    }
    const { response, connection } = upgradeBytes(only(answer.headers, returned));
    void splice(connection, answer.connection).finally(hold.release);
    return response;
  } catch (error) {
    hold.release();
    throw error instanceof ApiError ? error : internal(error);
  }
}

async function ask(
  registry: Registry,
  client: HttpClient,
  url: string,
  method: string,
  headers: Headers,
): Promise<UpgradeAnswer> {
  const abort = new AbortController();
  const timer = registry.timers.schedule(
    limits.kubeletDialMs,
    () => abort.abort(new DOMException("the kubelet did not answer in time", "TimeoutError")),
  );
  try {
    if (client.upgrade === undefined) throw internal("this connection cannot be upgraded");
    return await client.upgrade(url, { method, headers, signal: abort.signal });
  } finally {
    timer.cancel();
  }
}
