import assert from "node:assert/strict";
import { start } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";

async function inflated(response: Response): Promise<string> {
  assert.ok(response.body !== null);
  return await new Response(response.body.pipeThrough(new DecompressionStream("gzip"))).text();
}

Deno.test("answers beyond 128 KiB are gzip for who takes it, byte for byte the same; shorter ones and watches are not", async () => {
  await using server = await start();
  for (let i = 0; i < 12; i++) {
    const made = await server.post(configMaps, {
      metadata: { name: `c${i}` },
      data: { text: `${i} `.repeat(100_000) },
    });
    assert.equal(made.code, 201);
  }
  const get = (path: string, encoding?: string) =>
    server.raw("GET", path, { headers: encoding === undefined ? {} : { "accept-encoding": encoding } });
  // A list that is joined, one that is streamed, one object, a Table.
  for (const path of [`${configMaps}?limit=4`, configMaps, `${configMaps}/c1`]) {
    const plain = await get(path);
    assert.equal(plain.headers.get("content-encoding"), null);
    const zipped = await get(path, "deflate, gzip;q=1.0");
    assert.deepEqual([zipped.headers.get("content-encoding"), zipped.headers.get("vary")], ["gzip", "Accept-Encoding"]);
    assert.equal(zipped.headers.get("content-length"), null);
    assert.equal(zipped.headers.get("content-type"), "application/json");
    assert.equal(await inflated(zipped), await plain.text(), path);
  }
  for (const [path, encoding] of [[`${configMaps}/c1`, "br"], ["/api/v1/namespaces/default", "gzip"]] as const) {
    const answer = await get(path, encoding);
    assert.equal(answer.headers.get("content-encoding"), null);
    await answer.text();
  }
  const watch = await get(`${configMaps}?watch=1`, "gzip");
  assert.equal(watch.headers.get("content-encoding"), null);
  await watch.body?.cancel();
});
