/** Every timing of a cluster, by profile. docs/timers.md explains each line; every published figure names its profile. */
export type TimerProfile = "fast" | "upstream";

export interface ClusterTimers {
  readonly store: { readonly tickMs: number; readonly heartbeatTicks: number; readonly electionTicks: number };
  readonly leaderElection: {
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
  };
  readonly node: {
    readonly heartbeatMs: number;
    readonly monitorPeriodMs: number;
    readonly monitorGraceMs: number;
    readonly podEvictionMs: number;
  };
  readonly apiServer: { readonly endpointReconcileMs: number };
  readonly balancer: { readonly healthPeriodMs: number; readonly healthTimeoutMs: number };
}

const profiles: Readonly<Record<TimerProfile, ClusterTimers>> = {
  // Election well above the 19 ms that garbage collection and the 26 ms that a snapshot's fsync may take a member away;
  // where members are away for longer, they learn to wait longer (store/raft/patience.ts). A killed leader is noticed by
  // the end of its connections, not by this timeout.
  fast: {
    store: { tickMs: 25, heartbeatTicks: 1, electionTicks: 6 },
    // A killed leader's Lease is released by the supervisor; its length only bounds a leader that hangs, and must
    // outlast what a machine at many times its capacity makes of a renewal.
    leaderElection: { leaseDurationMs: 5_000, renewDeadlineMs: 4_000, retryPeriodMs: 1_000 },
    node: { heartbeatMs: 1_000, monitorPeriodMs: 250, monitorGraceMs: 4_000, podEvictionMs: 2_000 },
    apiServer: { endpointReconcileMs: 2_000 },
    // A dead apiserver refuses connections and is left out at once; probes find one that hangs.
    balancer: { healthPeriodMs: 500, healthTimeoutMs: 1_000 },
  },
  // etcd's and Kubernetes's own defaults.
  upstream: {
    store: { tickMs: 100, heartbeatTicks: 1, electionTicks: 10 },
    leaderElection: { leaseDurationMs: 15_000, renewDeadlineMs: 10_000, retryPeriodMs: 2_000 },
    node: { heartbeatMs: 10_000, monitorPeriodMs: 5_000, monitorGraceMs: 50_000, podEvictionMs: 300_000 },
    apiServer: { endpointReconcileMs: 10_000 },
    balancer: { healthPeriodMs: 1_000, healthTimeoutMs: 3_000 },
  },
};

export function timersOf(profile: TimerProfile): ClusterTimers {
  return profiles[profile];
}
