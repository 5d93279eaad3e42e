import assert from "node:assert/strict";
import { createMetrics } from "../metrics.ts";
import { checkMetrics } from "./metrics_testing.ts";
import { collectProcess } from "./process_metrics.ts";

Deno.test("collectProcess() shows what this process uses now, by the names of Prometheus's clients", async () => {
  const metrics = createMetrics();
  collectProcess(metrics);
  const before = await checkMetrics(metrics.text());
  const value = (name: string, of = before) => of.get(name)?.get("") ?? NaN;
  // The process may have run other test files before this one's isolate began.
  const sinceStart = performance.timeOrigin / 1000 - value("process_start_time_seconds");
  assert.ok(sinceStart > -1 && sinceStart < 3600, `${sinceStart} s`);
  assert.ok(value("process_resident_memory_bytes") > 1 << 20);
  if (Deno.build.os !== "linux") return;
  assert.ok(value("process_cpu_seconds_total") > 0);
  assert.ok(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
  assert.ok(value("process_max_fds") > value("process_open_fds"));
  using _file = await Deno.open("/dev/null");
  const after = await checkMetrics(metrics.text());
  assert.equal(value("process_open_fds", after), value("process_open_fds") + 1);
});
