import assert from "node:assert/strict";
import { createMetrics } from "../../platform/metrics.ts";
import { checkMetrics } from "../../platform/deno/metrics_testing.ts";
import { settle, start } from "../testing.ts";

const configMaps = "/api/v1/namespaces/default/configmaps";

Deno.test("/readyz?verbose and exclude say what upstream says; /livez does not ask the store", async () => {
  await using server = await start();
  const ready = (await server.get("/readyz?verbose&exclude=etcd&exclude=nope")).body;
  assert.match(ready, /^\[\+\]ping ok\n\[\+\]log ok\n\[\+\]etcd excluded: ok\n\[\+\]informer-sync ok\n/);
  assert.match(ready, /\[\+\]poststarthook\/rbac\/bootstrap-roles ok\n/);
  const end = 'shutdown ok\nwarn: some health checks cannot be excluded: no matches for "nope"\nreadyz check passed\n';
  assert.ok(ready.endsWith(end), ready);
  assert.equal((await server.get("/livez?verbose")).body, "[+]ping ok\n[+]log ok\nlivez check passed\n");
});

Deno.test("a server that stops says so on /readyz first, then ends watches, answers what is under way, and refuses the rest", async () => {
  await using server = await start({ config: { timers: { shutdownDelayMs: 5_000 } } });
  const watch = await server.watch(`${configMaps}?watch=1`);
  let sink: ReadableStreamDefaultController<Uint8Array> | undefined;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (sink = controller) });
  const slow = server.rawBody("POST", configMaps, body);
  await settle();
  const stopping = server.server.stop();
  let stopped = false;
  stopping.then(() => stopped = true);
  await settle();
  const ready = await server.get("/readyz");
  assert.equal(ready.code, 500);
  assert.match(ready.body, /\[-\]shutdown failed: reason withheld\nreadyz check failed\n$/);
  assert.equal((await server.get(configMaps)).code, 200, "still serving");
  await server.time.advance(5_000);
  assert.equal(await watch.next(), null, "the watch has ended");
  const late = await server.get(configMaps);
  assert.deepEqual([late.code, late.headers.get("retry-after")], [429, "1"]);
  assert.equal((await server.get("/livez")).code, 200);
  assert.equal(stopped, false, "somebody is still being served");
  sink?.enqueue(new TextEncoder().encode(JSON.stringify({ metadata: { name: "c" } })));
  sink?.close();
  assert.equal((await slow).status, 201);
  await stopping;
});

Deno.test("who never finishes holds a stopping server up for ten seconds and no longer", async () => {
  await using server = await start();
  const never = server.rawBody("POST", configMaps, new ReadableStream<Uint8Array>());
  never.catch(() => {});
  await settle();
  let stopped = false;
  const stopping = server.server.stop().then(() => stopped = true);
  await server.time.advance(9_000);
  assert.equal(stopped, false);
  await server.time.advance(1_000);
  await stopping;
});

Deno.test("/metrics has Kubernetes's names and labels, and promtool finds nothing wrong with it", async () => {
  await using server = await start({ metrics: createMetrics() });
  await server.post(configMaps, { metadata: { name: "c" } });
  await server.get("/api/v1/configmaps");
  await server.get(`${configMaps}/none`);
  const text: string = (await server.get("/metrics")).body;
  const lines = text.split("\n");
  const labels = 'component="apiserver",dry_run="",group="",resource="configmaps"';
  for (
    const line of [
      `apiserver_request_total{code="201",${labels},scope="namespace",subresource="",verb="POST",version="v1"} 1`,
      `apiserver_request_total{code="200",${labels},scope="cluster",subresource="",verb="LIST",version="v1"} 1`,
      `apiserver_request_total{code="404",${labels},scope="resource",subresource="",verb="GET",version="v1"} 1`,
      'apiserver_current_inflight_requests{request_kind="readOnly"} 1',
      'apiserver_storage_objects{resource="configmaps"} 1',
      'apiserver_flowcontrol_nominal_limit_seats{priority_level="workload-low"} 245',
    ]
  ) assert.ok(lines.includes(line), `${line}\nis not in\n${text.slice(0, 4000)}`);
  for (
    const name of [
      "apiserver_request_duration_seconds_bucket",
      'etcd_request_duration_seconds_count{operation="create"}',
    ]
  ) {
    assert.ok(text.includes(name), name);
  }
  await checkMetrics(text);
});
