import { contractCases } from "../contract.ts";
import { createDenoPlatform } from "./mod.ts";

for (const { name, run } of contractCases) {
  Deno.test(`deno: ${name}`, async () => {
    const directory = await Deno.makeTempDir({ prefix: "platform-" });
    const [a, b] = [0, 1].map(() => createDenoPlatform({ component: "test", logLevel: "error", logSink: () => {} }));
    if (a === undefined || b === undefined) throw new Error("two platforms were made");
    await Deno.mkdir(`${directory}/own`);
    const unixAddress = `unix:${directory}/socket`;
    try {
      await run({ a, b, directory: `${directory}/own`, unixAddress, tcpAddress: "tcp:127.0.0.1:0" });
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  });
}
