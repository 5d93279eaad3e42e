/**
 * `sauropod.dev/echo`: an HTTP server on $POD_IP:$PORT (default 8080) that says which pod answered, and what was asked.
 * `/healthz` answers ok; `Accept: application/json` gets JSON. It imports nothing, so that it starts at once.
 */
const hostname = Deno.env.get("POD_IP") ?? "127.0.0.1";
const port = Number(Deno.env.get("PORT") ?? "8080");
const pod = Deno.env.get("POD_NAME") ?? Deno.env.get("HOSTNAME") ?? "";
const greeting = Deno.env.get("GREETING");
/** After SIGTERM new connections are still served this long: the proxies need a moment to learn that we end. */
const propagationMs = 1000;
/** How long requests under way may then take. */
const drainMs = 2000;
/** A larger body is not echoed whole. */
const maxBodyBytes = 64 * 1024;
let ending = false;

async function bodyOf(request: Request): Promise<string> {
  if (request.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > maxBodyBytes) break;
    text += decoder.decode(chunk, { stream: true });
  }
  return text;
}

async function answer(request: Request, remote: string): Promise<Response> {
  const url = new URL(request.url);
  if (url.pathname === "/healthz") return new Response("ok");
  const headers = Object.fromEntries(request.headers);
  const body = await bodyOf(request);
  const facts = {
    pod,
    namespace: Deno.env.get("POD_NAMESPACE") ?? "",
    node: Deno.env.get("NODE_NAME") ?? "",
    address: `${hostname}:${port}`,
    ...(greeting === undefined ? {} : { greeting }),
    request: { method: request.method, path: url.pathname + url.search, remote, headers, body },
  };
  console.log(`${request.method} ${url.pathname} from ${remote}`);
  if ((headers.accept ?? "").includes("application/json")) return Response.json(facts);
  const lines = [
    ...(greeting === undefined ? [] : [greeting]),
    `pod: ${facts.pod}`,
    `namespace: ${facts.namespace}`,
    `node: ${facts.node}`,
    `address: ${facts.address}`,
    `${request.method} ${facts.request.path} from ${remote}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    ...(body === "" ? [] : ["", body]),
  ];
  return new Response(lines.join("\n") + "\n", { headers: { "x-pod": pod } });
}

const server = Deno.serve({
  hostname,
  port,
  onListen: () => console.log(`${pod} listens on ${hostname}:${port}`),
}, async (request, info) => {
  const response = await answer(request, info.remoteAddr.hostname);
  // Whoever keeps a connection opens another, which leads to another pod.
  if (ending) response.headers.set("connection", "close");
  return response;
});

function end(): void {
  if (ending) return;
  ending = true;
  console.log("SIGTERM: ending");
  setTimeout(() => {
    // Requests under way are answered; connections that only idle must not hold the pod up.
    setTimeout(() => Deno.exit(0), drainMs);
    void server.shutdown().then(() => Deno.exit(0));
  }, propagationMs);
}

Deno.addSignalListener("SIGTERM", end);
Deno.addSignalListener("SIGINT", end);
