import assert from "node:assert/strict";
import { dropWebSocketToken, webSocketToken } from "./websocket_token.ts";

const prefix = "base64url.bearer.authorization.k8s.io.";
const encoded = btoa("secret?>~").replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");

function tokenOf(protocols: string, upgrade = "websocket"): string | null {
  return webSocketToken(new Headers({ upgrade, "sec-websocket-protocol": protocols }));
}

Deno.test("webSocketToken() reads the one token among the subprotocols", () => {
  assert.equal(tokenOf(`${prefix}${encoded}, v5.channel.k8s.io`), "secret?>~");
  assert.equal(tokenOf(`v4.channel.k8s.io,${prefix}${encoded}`, "WebSocket"), "secret?>~");
  assert.equal(tokenOf("v5.channel.k8s.io"), null);
  assert.equal(tokenOf(`${prefix}${encoded}, v5.channel.k8s.io`, "SPDY/3.1"), null);
});

Deno.test("webSocketToken() gives a token that proves nothing for two, for one alone, and for one that is not base64url", () => {
  assert.equal(tokenOf(`${prefix}${encoded}, ${prefix}${encoded}, v5.channel.k8s.io`), "");
  assert.equal(tokenOf(`${prefix}${encoded}`), "");
  for (const bad of ["", "a", "a=b", "a+b", "a b"]) {
    assert.equal(tokenOf(`${prefix}${bad}, v5.channel.k8s.io`), "", bad);
  }
});

Deno.test("dropWebSocketToken() leaves the other subprotocols, in order", () => {
  const headers = new Headers({
    "sec-websocket-protocol": `v5.channel.k8s.io, ${prefix}${encoded}, v4.channel.k8s.io`,
  });
  dropWebSocketToken(headers);
  assert.equal(headers.get("sec-websocket-protocol"), "v5.channel.k8s.io, v4.channel.k8s.io");
});
