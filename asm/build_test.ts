import assert from "node:assert/strict";
import { compile } from "./build.ts";

Deno.test("asm/score.wasm is what asm/assembly compiles to", async () => {
  const committed = await Deno.readFile(new URL("score.wasm", import.meta.url));
  assert.deepEqual(committed, await compile(), "run `deno task wasm`");
});
