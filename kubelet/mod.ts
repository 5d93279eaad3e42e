export { type HollowNodesConfig, startHollowNodes } from "./hollow_nodes.ts";
export { type KubeletConfig, type KubeletDeps, type KubeletTimers, startKubelet } from "./kubelet.ts";
