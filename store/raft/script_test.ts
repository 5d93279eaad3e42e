import { equal } from "node:assert/strict";
import { runScript } from "./_script.ts";

const directory = new URL("./testdata/", import.meta.url);

for (const file of [...Deno.readDirSync(directory)].map((entry) => entry.name).sort()) {
  Deno.test(`raft script testdata/${file} gives the recorded trace`, () => {
    const path = new URL(file, directory);
    const recorded = Deno.readTextFileSync(path);
    const happened = runScript(recorded);
    if (Deno.env.get("GOLDEN") === "rewrite") Deno.writeTextFileSync(path, happened);
    else equal(happened, recorded);
  });
}
