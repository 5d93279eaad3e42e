import assert from "node:assert/strict";
import { createDenoPlatform } from "../../platform/deno/mod.ts";
import { checkMetrics } from "../../platform/deno/metrics_testing.ts";
import { run, TestHome } from "./harness.ts";

/** What a scrape of each kind of component has to have, besides what every one has. */
const wanted: Readonly<Record<string, readonly string[]>> = {
  apiserver: [
    "apiserver_request_total",
    "apiserver_request_duration_seconds_count",
    "etcd_request_duration_seconds_count",
  ],
  scheduler: [
    "scheduler_pending_pods",
    "scheduler_schedule_attempts_total",
    "scheduler_scheduling_attempt_duration_seconds_count",
    "scheduler_pod_scheduling_sli_duration_seconds_count",
    "scheduler_framework_extension_point_duration_seconds_count",
    "scheduler_queue_incoming_pods_total",
    "scheduler_cache_size",
    "leader_election_master_status",
    "rest_client_requests_total",
    "rest_client_request_duration_seconds_count",
  ],
  "controller-manager": [
    ...["depth", "adds_total", "queue_duration_seconds_count", "work_duration_seconds_count", "retries_total"]
      .concat(["unfinished_work_seconds", "longest_running_processor_seconds"]).map((name) => `workqueue_${name}`),
    "leader_election_master_status",
    "node_collector_zone_size",
    "node_collector_update_node_health_duration_seconds_count",
    "rest_client_requests_total",
  ],
  kubelet: [
    "kubelet_running_pods",
    "kubelet_running_containers",
    "kubelet_pod_start_duration_seconds_count",
    "kubelet_pod_worker_duration_seconds_count",
    "kubelet_pod_status_sync_duration_seconds_count",
    "kubelet_node_name",
    "rest_client_requests_total",
  ],
  "hollow-nodes": ["kubelet_running_pods", "kubelet_pod_worker_duration_seconds_count", "rest_client_requests_total"],
  proxy: [
    "kubeproxy_sync_proxy_rules_duration_seconds_count",
    "kubeproxy_sync_proxy_rules_last_timestamp_seconds",
    "kubeproxy_sync_proxy_rules_service_changes_total",
    "rest_client_requests_total",
  ],
  store: ["store_raft_elections_total", ...["etcd_server_has_leader", "etcd_server_leader_changes_seen_total"], ...[
    "etcd_disk_wal_fsync_duration_seconds_count",
    "etcd_mvcc_db_total_size_in_bytes",
  ]],
  balancer: [],
  etcd: [],
};
const everywhere = ["start_time_seconds", "resident_memory_bytes", "cpu_seconds_total", "open_fds"]
  .map((name) => `process_${name}`).concat("kubernetes_build_info");

for (const flags of [["--workers", "1", "--hollow-nodes", "2"], ["--all-in-one"]]) {
  Deno.test(`every component of a cluster (up ${flags.join(" ")}) can be scraped by whoever may, and by nobody else`, async () => {
    await using test = await TestHome.make();
    const up = await test.cluster(["up", "--control-planes", "1", ...flags, "--wait", "90s"], { timeoutMs: 120_000 });
    assert.equal(up.code, 0, up.stderr);
    await test.ok("apply", "-f", "examples/hello.yaml");
    await test.ok("apply", "-f", "examples/prometheus/rbac.yaml");
    await test.ok("rollout", "status", "deploy/hello", "--timeout=60s");
    const token = (await test.ok("create", "token", "prometheus", "--namespace", "monitoring")).trim();
    const { metrics } = await test.status();
    const kindOf = (name: string) => Object.keys(wanted).find((kind) => name.startsWith(kind)) ?? "none";
    const kinds = new Set(metrics.map(({ component }) => kindOf(component)));
    assert.ok(kinds.size >= 8 && !kinds.has("none"), [...kinds].join(" "));

    const ca = await Deno.readTextFile(`${test.home}/clusters/default/pki/ca.crt`);
    const platform = createDenoPlatform({ component: "test", logLevel: "error" });
    const http = platform.network.http.client({ tls: { ca } });
    try {
      for (const { component, url } of metrics) {
        const secure = url.startsWith("https:");
        const scrape = (headers: Record<string, string>) => http.fetch(url, { headers });
        if (secure) {
          const refused = await scrape({});
          await refused.body?.cancel();
          assert.ok(refused.status === 401 || refused.status === 403, `${component}: ${refused.status}`);
        }
        let missing: string[] = [];
        await test.until(`${component} shows all`, async () => {
          const answer = await scrape(secure ? { authorization: `Bearer ${token}` } : {});
          const text = await answer.text();
          assert.equal(answer.status, 200, `${component} at ${url}: ${text}`);
          const samples = await checkMetrics(text);
          missing = [...everywhere, ...wanted[kindOf(component)] ?? []].filter((name) => !samples.has(name));
          return missing.length === 0;
        }, 10_000).catch((error) => assert.fail(`${error}: ${missing.join(" ")}`));
      }
    } finally {
      http.close();
    }
    const kubelet = await test.ok("get", "--raw", "/api/v1/nodes/worker-1/proxy/metrics");
    assert.ok((await checkMetrics(kubelet)).get("kubelet_node_name")?.has('node="worker-1"'));
  });
}

Deno.test("the example configuration is one that Prometheus takes", async () => {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-prometheus-" });
  try {
    await Deno.copyFile("examples/prometheus/prometheus.yml", `${directory}/prometheus.yml`);
    await Deno.writeTextFile(`${directory}/token`, "t");
    const pem = `-----BEGIN CERTIFICATE-----\n${btoa("x".repeat(60))}\n-----END CERTIFICATE-----\n`;
    await Deno.writeTextFile(`${directory}/ca.crt`, pem);
    for (const file of ["secure", "plain"]) {
      await Deno.writeTextFile(`${directory}/${file}.json`, JSON.stringify([{ targets: ["127.64.0.10:10259"] }]));
    }
    const checked = await run("promtool", ["check", "config", `${directory}/prometheus.yml`]).catch((error) => {
      if (error instanceof Deno.errors.NotFound) return null; // no promtool here
      throw error;
    });
    if (checked !== null) assert.equal(checked.code, 0, checked.stdout + checked.stderr);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});
