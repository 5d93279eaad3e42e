/** A whole cluster in one isolate on virtual time, of the live cluster's components. */
export {
  type ChaosTarget,
  type SimChaos,
  type SimClock,
  type SimCluster,
  type SimOptions,
  startSimCluster,
  type Within,
} from "./sim_cluster.ts";
export type { Duration } from "./duration.ts";
export type { SimMachine } from "./fleet.ts";
export type { SimKind } from "./machines.ts";
export type { Manifest } from "./manifests.ts";
