import assert from "node:assert/strict";
import { claimSlice, pickPort, releaseSlice } from "./slices.ts";

/** The home is an environment variable: each test sets its own and puts the old one back. */
async function withHome(body: () => Promise<void>): Promise<void> {
  const before = Deno.env.get("SAUROPOD_HOME");
  const home = await Deno.makeTempDir({ prefix: "sauropod-slices-" });
  Deno.env.set("SAUROPOD_HOME", home);
  try {
    await body();
  } finally {
    if (before === undefined) Deno.env.delete("SAUROPOD_HOME");
    else Deno.env.set("SAUROPOD_HOME", before);
    await Deno.remove(home, { recursive: true });
  }
}

Deno.test("claimSlice() gives every cluster its own slice, also when claimed at once, and one cluster the same again", () =>
  withHome(async () => {
    const names = ["a", "b", "c", "d", "e"];
    const claimed = await Promise.all(names.map(claimSlice));
    assert.equal(new Set(claimed).size, names.length);
    assert.ok(claimed.every((slice) => slice >= 64 && slice <= 250));
    assert.equal(await claimSlice("c"), claimed[2]);
  }));

Deno.test("releaseSlice() frees a slice for the next cluster, and does not mind one that was never claimed", () =>
  withHome(async () => {
    const first = await claimSlice("a");
    await releaseSlice("a");
    await releaseSlice("never");
    assert.equal(await claimSlice("b"), first);
  }));

Deno.test("pickPort() gives a free port, the wanted port, or the reason why not", () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr; // a TCP listener's address
  assert.throws(() => pickPort(port), new RegExp(`Cannot listen on 127.0.0.1:${port}: it is in use`));
  listener.close();
  assert.equal(pickPort(port), port);
  assert.ok(pickPort(undefined) > 0);
});
