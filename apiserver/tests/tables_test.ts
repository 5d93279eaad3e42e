import assert from "node:assert/strict";
import { pods, resources } from "../../api/resources.ts";
import { humanDuration } from "../table/duration.ts";
import { podState } from "../table/pod.ts";
import { printerFor } from "../table/printers.ts";
import { start } from "../testing.ts";

const asTable =
  "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
const configMaps = "/api/v1/namespaces/default/configmaps";
const now = Date.parse("2026-01-01T01:00:00Z");

Deno.test("humanDuration() rounds as kubectl does", () => {
  const second = 1000;
  const minute = 60 * second;
  const hour = 60 * minute;
  const day = 24 * hour;
  const cases: [number, string][] = [
    [-5 * second, "<invalid>"],
    [-1, "0s"],
    [0, "0s"],
    [119 * second, "119s"],
    [2 * minute, "2m"],
    [2 * minute + 5 * second, "2m5s"],
    [10 * minute + 5 * second, "10m"],
    [179 * minute, "179m"],
    [3 * hour, "3h"],
    [3 * hour + 7 * minute, "3h7m"],
    [8 * hour + 7 * minute, "8h"],
    [47 * hour, "47h"],
    [48 * hour, "2d"],
    [50 * hour, "2d2h"],
    [8 * day + hour, "8d"],
    [729 * day, "729d"],
    [730 * day, "2y"],
    [731 * day, "2y1d"],
    [9 * 365 * day, "9y"],
  ];
  for (const [milliseconds, text] of cases) assert.equal(humanDuration(milliseconds), text);
});

function podWith(status: Record<string, unknown>, more: Record<string, unknown> = {}) {
  return {
    metadata: { name: "p", ...more },
    spec: { containers: [{ name: "a" }, { name: "b" }], initContainers: [{ name: "i" }, { name: "j" }] },
    status: { phase: "Pending", ...status },
  };
}

Deno.test("podState() is the STATUS column, by upstream's order of precedence", () => {
  const running = { running: {} };
  const exited = (exitCode: number, reason?: string) => ({ terminated: { exitCode, ...(reason ? { reason } : {}) } });
  const waiting = (reason: string) => ({ waiting: { reason } });
  const init = (...states: Record<string, unknown>[]) => ({
    initContainerStatuses: states.map((state, index) => ({ name: "ij"[index], restartCount: 0, state })),
  });
  const main = (...states: [Record<string, unknown>, boolean][]) => ({
    initContainerStatuses: [],
    conditions: [{ type: "Initialized", status: "True" }],
    containerStatuses: states.map(([state, ready], index) => ({ name: "ab"[index], ready, restartCount: 1, state })),
  });
  const cases: [Record<string, unknown>, string, number][] = [
    [podWith({}), "Pending", 0],
    [podWith({ phase: "Failed", reason: "Evicted" }), "Evicted", 0],
    [podWith({ conditions: [{ type: "PodScheduled", reason: "SchedulingGated" }] }), "SchedulingGated", 0],
    [podWith(init(running, waiting("PodInitializing"))), "Init:0/2", 0],
    [podWith(init(exited(0), running)), "Init:1/2", 0],
    [podWith(init(waiting("ImagePullBackOff"))), "Init:ImagePullBackOff", 0],
    [podWith(init(exited(3))), "Init:ExitCode:3", 0],
    [podWith(init(exited(1, "Error"))), "Init:Error", 0],
    [podWith(init({ terminated: { exitCode: 137, signal: 9 } })), "Init:Signal:9", 0],
    [podWith({ phase: "Running", ...main([running, true], [running, true]) }), "Running", 2],
    [
      podWith({ phase: "Running", ...main([running, true], [waiting("CrashLoopBackOff"), false]) }),
      "CrashLoopBackOff",
      1,
    ],
    [podWith({ phase: "Running", ...main([exited(0, "Completed"), false], [running, true]) }), "NotReady", 1],
    [
      podWith({ phase: "Succeeded", ...main([exited(0, "Completed"), false], [exited(0, "Completed"), false]) }),
      "Completed",
      0,
    ],
    [podWith({ phase: "Failed", ...main([exited(2), false], [exited(0), false]) }), "ExitCode:2", 0],
    [
      podWith({ phase: "Running", ...main([running, true], [running, true]) }, { deletionTimestamp: "x" }),
      "Terminating",
      2,
    ],
    [podWith({ phase: "Running", reason: "NodeLost" }, { deletionTimestamp: "x" }), "Unknown", 0],
    [podWith({ phase: "Succeeded" }, { deletionTimestamp: "x" }), "Succeeded", 0],
  ];
  for (const [pod, reason, ready] of cases) {
    const state = podState(pod);
    assert.equal(state.reason, reason, JSON.stringify(pod));
    assert.equal(state.ready, ready, JSON.stringify(pod));
  }
});

Deno.test("a pod's row counts sidecars, and says when it last restarted", () => {
  const pod = {
    metadata: { name: "p", creationTimestamp: "2026-01-01T00:00:00Z" },
    spec: {
      nodeName: "n1",
      containers: [{ name: "a" }],
      initContainers: [{ name: "s", restartPolicy: "Always" }],
      readinessGates: [{ conditionType: "g" }],
    },
    status: {
      phase: "Running",
      podIP: "10.0.0.1",
      conditions: [{ type: "Initialized", status: "True" }],
      initContainerStatuses: [{ name: "s", ready: true, started: true, restartCount: 0, state: { running: {} } }],
      containerStatuses: [{
        name: "a",
        ready: true,
        restartCount: 3,
        state: { running: {} },
        lastState: { terminated: { finishedAt: "2026-01-01T00:55:00Z" } },
      }],
    },
  };
  assert.deepEqual(printerFor(pods).cells(pod, now), [
    "p",
    "2/2",
    "Running",
    "3 (5m ago)",
    "60m",
    "10.0.0.1",
    "n1",
    "<none>",
    "0/1",
  ]);
});

Deno.test("rows of the other kinds", () => {
  const metadata = { name: "x", creationTimestamp: "2026-01-01T00:00:00Z" };
  const template = { spec: { containers: [{ name: "c", image: "i:1" }, { name: "d", image: "j" }] } };
  const selector = {
    matchLabels: { b: "2", a: "1" },
    matchExpressions: [{ key: "t", operator: "In", values: ["y", "x"] }],
  };
  const cases: [string, Record<string, unknown>, unknown[]][] = [
    ["namespaces", { metadata, status: { phase: "Active" } }, ["x", "Active", "60m"]],
    ["configmaps", { metadata, data: { a: "", b: "" }, binaryData: { c: "" } }, ["x", "3", "60m"]],
    ["secrets", { metadata, type: "Opaque", data: {} }, ["x", "Opaque", "0", "60m"]],
    ["serviceaccounts", { metadata }, ["x", "0", "60m"]],
    ["leases", { metadata, spec: { holderIdentity: "me" } }, ["x", "me", "60m"]],
    [
      "deployments",
      {
        metadata,
        spec: { replicas: 3, selector, template },
        status: { readyReplicas: 2, updatedReplicas: 3, availableReplicas: 1 },
      },
      ["x", "2/3", 3, 1, "60m", "c,d", "i:1,j", "a=1,b=2,t in (x,y)"],
    ],
    [
      "replicasets",
      { metadata, spec: { replicas: 3, selector, template }, status: { replicas: 2, readyReplicas: 1 } },
      ["x", 3, 2, 1, "60m", "c,d", "i:1,j", "a=1,b=2,t in (x,y)"],
    ],
    [
      "services",
      {
        metadata,
        spec: {
          type: "NodePort",
          clusterIP: "1.2.3.4",
          clusterIPs: ["1.2.3.4"],
          ports: [{ port: 80, nodePort: 30080, protocol: "TCP" }, { port: 53, protocol: "UDP" }],
        },
      },
      ["x", "NodePort", "1.2.3.4", "<none>", "80:30080/TCP,53/UDP", "60m", "<none>"],
    ],
    [
      "services",
      { metadata, spec: { type: "LoadBalancer", clusterIP: "1.2.3.4", selector: { a: "b" } } },
      ["x", "LoadBalancer", "1.2.3.4", "<pending>", "<none>", "60m", "a=b"],
    ],
    [
      "endpointslices",
      {
        metadata,
        addressType: "IPv4",
        ports: [{ port: 80 }, { port: 81 }],
        endpoints: ["a", "b", "c", "d"].map((it) => ({ addresses: [it] })),
      },
      ["x", "IPv4", "80,81", "a,b,c + 1 more...", "60m"],
    ],
    ["endpointslices", { metadata, addressType: "IPv4" }, ["x", "IPv4", "<unset>", "<unset>", "60m"]],
    [
      "endpoints",
      {
        metadata,
        subsets: [
          {
            addresses: [{ ip: "a" }, { ip: "b" }],
            notReadyAddresses: [{ ip: "c" }],
            ports: [{ port: 80 }, { port: 81 }],
          },
        ],
      },
      ["x", "a:80,b:80,a:81 + 1 more...", "60m"],
    ],
    ["endpoints", { metadata, subsets: [{ addresses: [{ ip: "a" }] }] }, ["x", "a", "60m"]],
    ["endpoints", { metadata, subsets: [{ notReadyAddresses: [{ ip: "a" }] }] }, ["x", "", "60m"]],
    ["endpoints", { metadata }, ["x", "<none>", "60m"]],
    [
      "nodes",
      {
        metadata: {
          ...metadata,
          labels: { "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/control-plane": "" },
        },
        spec: { unschedulable: true },
        status: {
          conditions: [{ type: "Ready", status: "True" }],
          addresses: [{ type: "InternalIP", address: "127.0.1.1" }],
          nodeInfo: { kubeletVersion: "v1", osImage: "os", kernelVersion: "k", containerRuntimeVersion: "process://1" },
        },
      },
      [
        "x",
        "Ready,SchedulingDisabled",
        "control-plane,worker",
        "60m",
        "v1",
        "127.0.1.1",
        "<none>",
        "os",
        "k",
        "process://1",
      ],
    ],
    ["nodes", { metadata }, [
      "x",
      "Unknown",
      "<none>",
      "60m",
      "",
      "<none>",
      "<none>",
      "<unknown>",
      "<unknown>",
      "<unknown>",
    ]],
    [
      "events",
      {
        metadata,
        type: "Normal",
        reason: "Started",
        message: " hi ",
        involvedObject: { kind: "Pod", name: "p", fieldPath: "f" },
        source: { component: "kubelet", host: "n1" },
        firstTimestamp: "2026-01-01T00:50:00Z",
        lastTimestamp: "2026-01-01T00:59:00Z",
        count: 4,
      },
      ["60s", "Normal", "Started", "pod/p", "f", "kubelet, n1", "hi", "10m", 4, "x"],
    ],
    [
      "apiservices",
      { metadata, spec: {}, status: { conditions: [{ type: "Available", status: "True", reason: "Local" }] } },
      ["x", "Local", "True", "60m"],
    ],
    [
      "apiservices",
      {
        metadata,
        spec: { service: { namespace: "n", name: "s" } },
        status: { conditions: [{ type: "Available", status: "False", reason: "MissingEndpoints" }] },
      },
      ["x", "n/s", "False (MissingEndpoints)", "60m"],
    ],
  ];
  for (const [resource, object, expected] of cases) {
    const info = resources.find((it) => it.resource === resource);
    assert.ok(info !== undefined, resource);
    const printer = printerFor(info);
    const cells = printer.cells(object, now);
    assert.deepEqual(cells, expected);
    assert.equal(printer.columns.length, cells.length, resource);
  }
});

Deno.test("as=Table answers rows with partial objects; includeObject chooses what is in them", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a", labels: { x: "y" } }, data: { k: "v" } });
  const list = await server.get(`${configMaps}?limit=500`, { headers: { accept: asTable } });
  assert.equal(list.body.kind, "Table");
  assert.equal(list.body.apiVersion, "meta.k8s.io/v1");
  assert.match(list.body.metadata.resourceVersion, /^\d+$/);
  assert.deepEqual(list.body.columnDefinitions.map((it: { name: string }) => it.name), ["Name", "Data", "Age"]);
  assert.equal(list.body.columnDefinitions[0].format, "name");
  const [row] = list.body.rows;
  assert.deepEqual(row.cells, ["a", "1", "0s"]);
  assert.equal(row.object.kind, "PartialObjectMetadata");
  assert.deepEqual(row.object.metadata.labels, { x: "y" });
  assert.equal(row.object.data, undefined);
  const whole = await server.get(`${configMaps}/a?includeObject=Object`, { headers: { accept: asTable } });
  assert.deepEqual(whole.body.rows[0].object.data, { k: "v" });
  const none = await server.get(`${configMaps}?includeObject=None`, { headers: { accept: asTable } });
  assert.equal(none.body.rows[0].object, undefined);
  assert.equal((await server.get(`${configMaps}?includeObject=Some`, { headers: { accept: asTable } })).code, 400);
});

Deno.test("a watch of Tables names its columns once", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" } });
  const watch = await server.watch(`${configMaps}?watch=1`, { headers: { accept: asTable } });
  const first = await watch.next();
  assert.equal(first.type, "ADDED");
  assert.equal(first.object.kind, "Table");
  assert.equal(first.object.columnDefinitions.length, 3);
  await server.post(configMaps, { metadata: { name: "b" } });
  const second = await watch.next();
  assert.equal(second.object.columnDefinitions, undefined);
  assert.equal(second.object.rows[0].cells[0], "b");
  await watch.cancel();
});

Deno.test("as=PartialObjectMetadata strips objects, lists and watches to their metadata", async () => {
  await using server = await start();
  await server.post(configMaps, { metadata: { name: "a" }, data: { k: "v" } });
  const one = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
  const many = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
  const object = await server.get(`${configMaps}/a`, { headers: { accept: one } });
  assert.equal(object.body.kind, "PartialObjectMetadata");
  assert.equal(object.body.apiVersion, "meta.k8s.io/v1");
  assert.equal(object.body.data, undefined);
  const list = await server.get(configMaps, { headers: { accept: many } });
  assert.equal(list.body.kind, "PartialObjectMetadataList");
  assert.equal(list.body.items[0].metadata.name, "a");
  const watch = await server.watch(`${configMaps}?watch=1`, { headers: { accept: one } });
  assert.equal((await watch.next()).object.kind, "PartialObjectMetadata");
  await watch.cancel();
});
