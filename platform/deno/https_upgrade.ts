import { connect as connectTcp } from "node:net";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type HttpsUpgrade, NetworkError, type UpgradeAnswer } from "../mod.ts";
import { encodeHead } from "./http_head.ts";
import { type FlowControl, takeFlowControl } from "./tls_server.ts";
import { askForUpgrade } from "./upgrade_client.ts";
import { TlsBytes } from "./upgraded.ts";

/**
 * As {@linkcode callHttps}, for a request that asks for another protocol: node:tls, because Deno's own TLS can neither
 * trust one root alone nor dial elsewhere than to the name that it verifies.
 */
export async function upgradeHttps(call: HttpsUpgrade): Promise<UpgradeAnswer> {
  const { signal } = call;
  signal.throwIfAborted();
  const url = new URL(call.url);
  const { socket, flow } = await open(url, call);
  const onAbort = (): void => void socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    const lines = [["host", url.host], ...call.headers, ["connection", "Upgrade"]] as const;
    const connection = new TlsBytes(socket, flow, new Uint8Array(0));
    return await askForUpgrade(
      connection,
      encodeHead(`${call.method} ${url.pathname}${url.search} HTTP/1.1`, lines),
    );
  } catch (error) {
    socket.destroy();
    signal.throwIfAborted();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Over a TCP socket of our own: only of such a one can the flow be controlled ({@linkcode takeFlowControl}). */
function open(url: URL, call: HttpsUpgrade): Promise<{ socket: TLSSocket; flow: FlowControl }> {
  const { signal, ca, identity } = call;
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? 443 : Number(url.port);
  return new Promise((resolve, reject) => {
    const tcp = connectTcp({ host: call.via?.hostname ?? hostname, port: call.via?.port ?? port });
    let begun: { socket: TLSSocket; flow: FlowControl } | null = null;
    const onAbort = (): void => fail(signal.reason);
    const fail = (error: unknown): void => {
      signal.removeEventListener("abort", onAbort);
      begun?.socket.destroy();
      tcp.destroy();
      reject(
        signal.aborted ? signal.reason : new NetworkError(`Cannot reach ${url.host}: ${text(error)}`, { cause: error }),
      );
    };
    signal.addEventListener("abort", onAbort, { once: true });
    tcp.on("error", fail);
    tcp.once("connect", () => {
      tcp.setNoDelay(true);
      const socket = connectTls({
        socket: tcp,
        host: hostname, // what the certificate must show; not where it connects
        ALPNProtocols: ["http/1.1"],
        ...(/^[\d.]+$|:/.test(hostname) ? {} : { servername: hostname }),
        rejectUnauthorized: call.insecure !== true,
        ...(ca === undefined ? {} : { ca }),
        ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
      });
      const flow = takeFlowControl(socket);
      begun = { socket, flow };
      const onEarlyClose = (): void => fail(new Error("the connection closed"));
      socket.on("error", (error: Error) => {
        socket.destroy();
        fail(error);
      });
      socket.once("close", onEarlyClose);
      socket.once("secureConnect", () => {
        socket.off("close", onEarlyClose);
        signal.removeEventListener("abort", onAbort);
        resolve({ socket, flow });
      });
    });
  });
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
