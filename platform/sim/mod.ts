/**
 * The simulated world: many hosts in one isolate, virtual time, one seed. The code under test is the live cluster's;
 * only the platform differs.
 *
 *     const world = createWorld({ seed: 7 });
 *     const a = world.host("a");
 *     const member = startMember(config, a.platform);
 *     await world.run(5_000);
 *     a.crash();
 *     startMember(config, a.restart());
 *     assert(await world.runUntil(() => converged(), 30_000));
 */
export { createWorld, type SimHost, type SimNetworkControl, type World, type WorldOptions } from "./world.ts";
export { type DiskFaults, SimDisk } from "./disk.ts";
export type { LinkOptions } from "./links.ts";
export { createSimAuthority, type SimAuthority } from "./identity.ts";
export type { SimProgram, SimProgramContext } from "./processes.ts";
export { installTripwires, TripwireError, type Tripwires } from "./tripwires.ts";
