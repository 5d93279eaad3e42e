/** Lists in chunks when history goes while the client reads. */
import assert from "node:assert/strict";
import { type Check, create, eventually } from "../helpers.ts";
import { good, infoOf, pathIn, sample } from "../lifecycle.ts";

const templates = infoOf("podtemplates");

export const chunkChecks: Readonly<Record<string, Check>> = {
  async "chunks after compaction"(api, namespace, { compact }) {
    const [total, limit] = [40, 4];
    const name = (at: number) => `template-${String(at).padStart(4, "0")}`;
    for (let at = 0; at < total; at++) await create(api, namespace, templates, sample(templates, name(at), namespace));
    const collection = pathIn(templates, namespace);
    const page = (token: string) =>
      api.call("GET", `${collection}?limit=${limit}&continue=${encodeURIComponent(token)}`);
    const first = good(await api.call("GET", `${collection}?limit=${limit}`), 200, "first chunk").metadata;
    assert.equal(first.remainingItemCount, total - limit);
    // What changes is not among the objects that are read.
    await create(api, namespace, infoOf("configmaps"), { metadata: { name: "later" } });
    await compact();
    const expired = await eventually("the token expires", async () => {
      const reply = await page(first.continue);
      return reply.code === 200 ? undefined : reply;
    });
    assert.deepEqual([expired.code, expired.body.reason], [410, "Expired"]);
    let token = expired.body.metadata.continue;
    const decoded = JSON.parse(atob(token.replaceAll("-", "+").replaceAll("_", "/")));
    assert.equal(decoded.rv, -1);
    assert.ok(decoded.start.endsWith(`${name(limit - 1)}\0`), decoded.start);
    let found = limit;
    let revision = "";
    do {
      const { metadata, items } = good(await page(token), 200, "next chunk");
      if (revision === "") revision = metadata.resourceVersion;
      assert.notEqual(revision, first.resourceVersion);
      assert.equal(metadata.resourceVersion, revision, "one resourceVersion on all chunks that follow");
      for (const item of items) assert.equal(item.metadata.name, name(found++));
      token = metadata.continue ?? "";
      assert.equal(metadata.remainingItemCount ?? 0, total - found);
    } while (token !== "");
    assert.equal(found, total);
  },
};
