import assert from "node:assert/strict";
import { admin, start, VirtualTime } from "../../apiserver/testing.ts";
import { apiOver } from "./api.ts";
import { behaviours } from "./behaviours.ts";
import { checks } from "./checks.ts";
import { report, runCatalogue } from "./run.ts";

/** Checks that need more than an apiserver: nodes, or an address that the Service allocator owns. */
const live = new Set(["two nodes"]);

Deno.test("the catalogue names every behaviour once, and every check belongs to one", () => {
  const names = behaviours.map(([name]) => name);
  assert.equal(new Set(names).size, names.length);
  const used = new Set(behaviours.map(([, check]) => check));
  for (const check of used) assert.ok(check === "" || Object.hasOwn(checks, check), check);
  for (const check of Object.keys(checks)) assert.ok(used.has(check), `${check} stands for a behaviour`);
});

Deno.test("the catalogue passes against one apiserver in this process", async () => {
  const time = new VirtualTime();
  // Watches flush and controllers wait on this clock.
  const pump = setInterval(() => void time.advance(20), 5);
  try {
    await using server = await start({ time });
    const api = apiOver((path, init) =>
      server.server.handle(new Request(`https://test${path}`, init), {
        peer: admin,
        remoteAddress: "127.0.0.1",
        upgradeWebSocket: () => {
          throw new Error("nothing is upgraded");
        },
      })
    );
    const outcomes = (await runCatalogue(api)).filter((it) => !isLive(it.name));
    const lines: string[] = [];
    report(outcomes, (line) => lines.push(line));
    assert.deepEqual(outcomes.filter((it) => it.state === "failed"), [], lines.join("\n"));
    assert.ok(outcomes.filter((it) => it.state === "passed").length > 80, lines.at(-1));
  } finally {
    clearInterval(pump);
  }
});

function isLive(name: string): boolean {
  return live.has(behaviours.find((it) => it[0] === name)?.[1] ?? "");
}
