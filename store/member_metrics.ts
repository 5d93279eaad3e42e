import type { Metrics } from "../platform/mod.ts";
import type { StoreStatus } from "./types.ts";

/** What a member says of itself, by etcd's names. @param status of now, asked when somebody scrapes */
export function showStatus(metrics: Metrics, status: () => StoreStatus): void {
  const server = (name: string, help: string) => metrics.gauge(`etcd_server_${name}`, help);
  const hasLeader = server("has_leader", "1 while this member knows a leader.");
  const isLeader = server("is_leader", "1 while this member leads.");
  const isLearner = server("is_learner", "1 while this member has no vote.");
  // etcd declares both to be gauges; they only ever grow.
  const committed = metrics.counterView("etcd_server_proposals_committed_total", "Index of the last entry committed.");
  const applied = metrics.counterView("etcd_server_proposals_applied_total", "Index of the last entry applied.");
  const total = metrics.gauge("etcd_mvcc_db_total_size_in_bytes", "What the data takes, with what is not given back.");
  const inUse = metrics.gauge("etcd_mvcc_db_total_size_in_use_in_bytes", "What the data takes.");
  const quota = server("quota_backend_bytes", "What the data may take.");
  metrics.onCollect(() => {
    const now = status();
    hasLeader.set(now.leaderId === "" ? 0 : 1);
    isLeader.set(now.leaderId === now.memberId ? 1 : 0);
    isLearner.set(now.isLearner ? 1 : 0);
    committed.set(now.commitIndex);
    applied.set(now.appliedIndex);
    total.set(now.allocatedBytes);
    inUse.set(now.databaseBytes);
    if (now.quotaBytes !== null) quota.set(now.quotaBytes);
  });
}
