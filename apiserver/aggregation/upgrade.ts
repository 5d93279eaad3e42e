import type { UpgradeAnswer } from "../../platform/mod.ts";
import { dropWebSocketToken } from "../authn/websocket_token.ts";
import type { Exchange } from "../exchange.ts";
import { limits } from "../limits.ts";
import { holdLongRunning } from "../long_running.ts";
import type { Registry } from "../registry/context.ts";
import { splice } from "../splice.ts";
import { type HeaderLines, upgradeRemote } from "./call.ts";
import type { RemoteSpec } from "./remote.ts";

/**
 * Asks an extension apiserver for the protocol that the client asks for, and joins the two connections: what they speak
 * then is theirs. Whatever else it answers is passed on.
 * @param forwarded headers besides those of the handshake @throws NoPlaceError, or what the network says
 */
export async function passUpgradeToRemote(
  registry: Registry,
  { request, url, context }: Exchange,
  spec: RemoteSpec,
  forwarded: HeaderLines,
): Promise<{ readonly switched: Response } | { readonly refusal: UpgradeAnswer }> {
  const { upgradeBytes } = context;
  if (upgradeBytes === undefined) throw new Error("this connection cannot be upgraded");
  const offered = new Headers([["upgrade", request.headers.get("upgrade") ?? ""]]);
  const protocols = request.headers.get("sec-websocket-protocol");
  if (protocols !== null) offered.set("sec-websocket-protocol", protocols);
  dropWebSocketToken(offered);
  const hold = holdLongRunning(registry);
  const abort = new AbortController();
  const timer = registry.timers.schedule(
    limits.upgradeDialMs,
    () => abort.abort(new DOMException("the server did not answer in time", "TimeoutError")),
  );
  try {
    const answer = await upgradeRemote(registry, spec, {
      method: request.method,
      path: `${url.pathname}${url.search}`,
      // Only the first bytes of a refusal's text are kept: not compressed, please.
      headers: [...forwarded.filter(([name]) => name !== "accept-encoding" && !offered.has(name)), ...offered],
      signal: abort.signal,
    });
    if (answer.connection === null) {
      hold.release();
      return { refusal: answer };
    }
    const { response, connection } = upgradeBytes(answer.headers);
    void splice(connection, answer.connection).finally(hold.release);
    return { switched: response };
  } catch (error) {
    hold.release();
    throw error;
  } finally {
    timer.cancel();
  }
}
