import { concatBytes, fromUtf8 } from "../../base/bytes.ts";
import { maxRefusalBytes, maxUpgradeHeadBytes, readBufferBytes } from "../limits.ts";
import {
  type ByteConnection,
  NetworkError,
  type TlsIdentity,
  type UpgradeAnswer,
  type UpgradeOptions,
} from "../mod.ts";
import { byteConnection } from "./streams.ts";
import { encodeHead, headLength, type HttpHead, parseHead } from "./http_head.ts";

/** One request for another protocol, on a connection of its own. */
export async function requestUpgrade(
  url: URL,
  tls: Partial<TlsIdentity> | undefined,
  options: UpgradeOptions,
): Promise<UpgradeAnswer> {
  const { signal } = options;
  signal?.throwIfAborted();
  let conn: Deno.Conn | null = null;
  const onAbort = (): void => conn?.close();
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    conn = await open(url, tls);
    signal?.throwIfAborted();
    const headers = new Headers(options.headers);
    headers.set("host", url.host);
    headers.set("connection", "Upgrade");
    const head = encodeHead(`${options.method} ${url.pathname}${url.search} HTTP/1.1`, headers);
    return await askForUpgrade(byteConnection(conn), head);
  } catch (error) {
    try {
      conn?.close();
    } catch {
      // The abort has closed it.
    }
    signal?.throwIfAborted();
    if (error instanceof NetworkError) throw error;
    throw new NetworkError(`No response from ${url}: ${String(error)}`, { cause: error, notSent: conn === null });
  } finally {
    signal?.removeEventListener("abort", onAbort);
  }
}

async function open(url: URL, tls: Partial<TlsIdentity> | undefined): Promise<Deno.Conn> {
  const secure = url.protocol === "https:";
  const hostname = url.hostname.replace(/^\[|\]$/g, "");
  const port = url.port === "" ? (secure ? 443 : 80) : Number(url.port);
  if (!secure) {
    const conn = await Deno.connect({ hostname, port });
    conn.setNoDelay(true);
    return conn;
  }
  const conn = await Deno.connectTls({
    hostname,
    port,
    alpnProtocols: ["http/1.1"],
    ...(tls?.ca === undefined ? {} : { caCerts: [tls.ca] }),
    ...(tls?.cert === undefined || tls.key === undefined ? {} : { cert: tls.cert, key: tls.key }),
  });
  return conn;
}

/** Sends the head of a request for another protocol, and reads what is answered. A refusal ends the connection. */
export async function askForUpgrade(conn: ByteConnection, request: Uint8Array): Promise<UpgradeAnswer> {
  await conn.write(request);
  const buffer = new Uint8Array(readBufferBytes);
  let bytes: Uint8Array = new Uint8Array(0);
  let length: number | null = null;
  while (length === null) {
    const count = await conn.read(buffer);
    if (count === null) throw new NetworkError("The connection closed before an answer came");
    bytes = concatBytes([bytes, buffer.subarray(0, count)]);
    length = headLength(bytes);
    if (length === null && bytes.length > maxUpgradeHeadBytes) throw new NetworkError("The answer's head is too long");
  }
  const head: HttpHead | null = parseHead(bytes.subarray(0, length));
  if (head === null || !head.first[0].startsWith("HTTP/1.")) throw new NetworkError("The answer is not HTTP/1.1");
  const { headers } = head;
  const status = Number(head.first[1]);
  const rest = bytes.slice(length);
  if (status === 101) return { status, headers, connection: bytesOf(conn, rest), text: "" };
  const text = await readRefusal(conn, headers, rest);
  conn.close();
  return { status, headers, connection: null, text };
}

/** A refusal's body, as far as its length or the connection's end says; of chunks, the first is enough. */
async function readRefusal(conn: ByteConnection, headers: Headers, begun: Uint8Array): Promise<string> {
  const announced = Number(headers.get("content-length") ?? maxRefusalBytes);
  const wanted = Math.min(Number.isFinite(announced) ? announced : 0, maxRefusalBytes);
  const buffer = new Uint8Array(readBufferBytes);
  let bytes = begun;
  while (bytes.length < wanted) {
    const count = await conn.read(buffer);
    if (count === null) break;
    bytes = concatBytes([bytes, buffer.subarray(0, count)]);
    if (headers.has("transfer-encoding") && bytes.includes(10)) break;
  }
  const text = fromUtf8(bytes.subarray(0, wanted));
  return headers.has("transfer-encoding") ? text.replace(/^[0-9a-f]+\r\n/i, "").replace(/\r\n.*$/s, "") : text;
}

/** The connection, with what came behind the answer's head first. */
function bytesOf(inner: ByteConnection, early: Uint8Array): ByteConnection {
  let rest = early;
  return {
    remote: "",
    write: (bytes) => inner.write(bytes),
    close: () => inner.close(),
    async read(into) {
      if (rest.length === 0) return await inner.read(into);
      const count = Math.min(rest.length, into.length);
      into.set(rest.subarray(0, count));
      rest = rest.subarray(count);
      return count;
    },
    closeWrite: async () => {
      // Deno's TLS connections have no half-close; the protocols that are spoken here say goodbye themselves.
    },
  };
}
