import type { Node } from "../../api/gen/types.ts";
import type { PodInfo } from "./node_info.ts";

/** Something happened in the cluster that may help a pod that did not fit. Names as upstream's, for the metrics. */
export type ClusterEvent =
  | { readonly kind: "NodeAdd"; readonly node: Readonly<Node> }
  | { readonly kind: "NodeUpdate"; readonly old: Readonly<Node>; readonly node: Readonly<Node> }
  | { readonly kind: "AssignedPodDelete"; readonly pod: PodInfo }
  | { readonly kind: "AssignedPodUpdate"; readonly old: PodInfo; readonly pod: PodInfo }
  /** The waiting pod itself changed. */
  | { readonly kind: "PodUpdate"; readonly old: PodInfo; readonly pod: PodInfo };
