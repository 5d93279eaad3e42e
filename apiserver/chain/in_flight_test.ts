import assert from "node:assert/strict";
import { anonymous } from "../authn/user.ts";
import type { Exchange } from "../exchange.ts";
import { limits } from "../limits.ts";
import { Catalog } from "../catalog.ts";
import { requestInfo } from "../request_info.ts";
import { maxInFlight } from "./in_flight.ts";

function exchange(method: string, path: string): Exchange {
  const url = new URL(`https://test${path}`);
  return {
    request: new Request(url, { method }),
    context: {
      peer: null,
      remoteAddress: "",
      upgradeWebSocket: () => {
        throw new Error("no");
      },
    },
    url,
    info: requestInfo(method, url, new Catalog()),
    auditId: "",
    user: anonymous,
    body: new Uint8Array(0),
    warnings: [],
  };
}

Deno.test("maxInFlight() holds reads and writes apart, answers 429 beyond, and counts neither watches nor health", async () => {
  const filter = maxInFlight();
  const waiting: (() => void)[] = [];
  const held = () => new Promise<Response>((resolve) => waiting.push(() => resolve(new Response(null))));
  const pods = "/api/v1/namespaces/default/pods";
  const pending = [
    ...Array.from({ length: limits.readsInFlight }, () => filter(exchange("GET", pods), held)),
    ...Array.from({ length: limits.mutationsInFlight }, () => filter(exchange("POST", pods), held)),
    ...Array.from({ length: 1000 }, () => filter(exchange("GET", `${pods}?watch=1`), held)),
  ];
  for (const method of ["GET", "PATCH"]) {
    const path = method === "GET" ? pods : `${pods}/p`;
    await assert.rejects(() => filter(exchange(method, path), held), /Too many requests, please try again later\./);
  }
  const health = await filter(exchange("GET", "/livez"), () => Promise.resolve(new Response("ok")));
  assert.equal(health.status, 200);
  for (const resolve of waiting) resolve();
  await Promise.all(pending);
  const after = await filter(exchange("GET", pods), () => Promise.resolve(new Response("ok")));
  assert.equal(after.status, 200);
});
