import assert from "node:assert/strict";
import { fromUtf8, utf8 } from "../base/bytes.ts";
import { RotatingFile } from "./rotating_file.ts";
import { createWorld } from "./sim/mod.ts";

Deno.test("RotatingFile: goes on where it ended; grown too large it takes the place of the one put aside before", async () => {
  const world = createWorld({ seed: 1 });
  const { disk } = world.host("a").platform;
  const read = async (path: string) => fromUtf8(await world.complete(disk.readFile(path)));
  for (const parts of [["aaaa"], ["bb", "cccc", "dddddd", "ee"]]) {
    const file = new RotatingFile(disk, "log", 10);
    for (const part of parts) await world.complete(file.append(utf8(part)));
    file.close();
  }
  assert.equal(await read("log.1"), "aaaabbcccc");
  assert.equal(await read("log"), "ddddddee");
});
