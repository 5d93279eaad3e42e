import { contractCases } from "../contract.ts";
import { createWorld, installTripwires } from "./mod.ts";

for (const { name, run } of contractCases) {
  Deno.test(`sim: ${name}`, async () => {
    using _tripwires = installTripwires();
    const world = createWorld({ seed: 1 });
    const [a, b] = [world.host("a").platform, world.host("b").platform];
    const unixAddress = "unix:/run/socket";
    await world.complete(a.disk.mkdir("/own"));
    await world.complete(run({ a, b, directory: "/own", unixAddress, tcpAddress: "tcp:127.0.0.1:0" }));
  });
}
