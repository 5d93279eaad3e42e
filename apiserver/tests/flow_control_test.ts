import assert from "node:assert/strict";
import { FairQueue, flowHash, hand } from "../flowcontrol/fair_queue.ts";
import { settle, start } from "../testing.ts";

const flows = "/apis/flowcontrol.apiserver.k8s.io/v1/flowschemas";
const levels = "/apis/flowcontrol.apiserver.k8s.io/v1/prioritylevelconfigurations";

Deno.test("upstream's FlowSchemas and priority levels are there, and every answer names those that it went through", async () => {
  await using server = await start();
  const list = async (path: string) => (await server.get(path)).body.items;
  const schemas = await list(flows);
  assert.deepEqual(
    schemas.map((it: { metadata: { name: string } }) => it.metadata.name),
    [
      "catch-all",
      "endpoint-controller",
      "exempt",
      "global-default",
      "kube-controller-manager",
      "kube-scheduler",
      "kube-system-service-accounts",
      "probes",
      "service-accounts",
      "system-leader-election",
      "system-node-high",
      "system-nodes",
      "workload-leader-election",
    ],
  );
  assert.equal((await list(levels)).length, 8);
  const through = async (path: string, as?: { commonName: string; organizations: string[] } | null) => {
    const { headers } = await server.get(path, as === undefined ? {} : { as });
    const uid = headers.get("x-kubernetes-pf-flowschema-uid");
    const name = schemas.find((it: { metadata: { uid: string } }) => it.metadata.uid === uid)?.metadata.name;
    return [name, headers.get("x-kubernetes-pf-prioritylevel-uid") !== null].join();
  };
  const leases = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/x";
  const kubelet = { commonName: "system:node:n1", organizations: ["system:nodes"] };
  const manager = { commonName: "system:kube-controller-manager", organizations: [] };
  assert.equal(await through("/api/v1/nodes"), "exempt,true");
  assert.equal(await through("/healthz", null), "probes,true");
  assert.equal(await through("/version", null), "global-default,true");
  assert.equal(await through(leases, manager), "system-leader-election,true");
  assert.equal(await through("/api/v1/pods", manager), "kube-controller-manager,true");
  assert.equal(await through("/api/v1/nodes/n1", kubelet), "system-node-high,true");
  assert.equal(await through("/api/v1/pods", kubelet), "system-nodes,true");
  assert.equal(await through("/api/v1/pods", { commonName: "jane", organizations: [] }), "global-default,true");
});

Deno.test("a level's seats are a bound: who finds none waits its turn, then is told to come back; others are not held up", async () => {
  await using server = await start({ config: { maxInFlight: { readOnly: 6, mutating: 4 } } });
  const schema = (name: string, level: string, user: string) => ({
    metadata: { name },
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: 10,
      distinguisherMethod: { type: "ByUser" },
      rules: [{
        subjects: [{ kind: "User", user: { name: user } }],
        nonResourceRules: [{ verbs: ["*"], nonResourceURLs: ["*"] }],
        resourceRules: [{ verbs: ["*"], apiGroups: ["*"], resources: ["*"], clusterScope: true, namespaces: ["*"] }],
      }],
    },
  });
  const level = (name: string, limitResponse: unknown) => ({
    metadata: { name },
    spec: { type: "Limited", limited: { nominalConcurrencyShares: 1, lendablePercent: 0, limitResponse } },
  });
  for (const each of (await server.get(levels)).body.items) {
    const { limited } = each.spec;
    if (limited !== undefined) {
      await server.patch(`${levels}/${each.metadata.name}`, { spec: { limited: { lendablePercent: 0 } } });
    }
  }
  await server.post(
    levels,
    level("queued", { type: "Queue", queuing: { queues: 1, handSize: 1, queueLengthLimit: 2 } }),
  );
  await server.post(levels, level("refused", { type: "Reject" }));
  await server.post(flows, schema("tom", "queued", "tom"));
  await server.post(flows, schema("eve", "refused", "eve"));
  await settle();
  const as = (commonName: string) => ({ as: { commonName, organizations: ["system:authenticated"] } });
  // Nobody answers the webhook's like: a body that never ends keeps a seat.
  const pending = (who: string) => {
    const body = new ReadableStream<Uint8Array>({ start: (sink) => void opened.push(sink) });
    return server.rawBody("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body, as(who));
  };
  const opened: ReadableStreamDefaultController<Uint8Array>[] = [];
  const held = pending("eve");
  await settle();
  const refused = await server.get("/version", as("eve"));
  assert.deepEqual([refused.code, refused.headers.get("retry-after")], [429, "1"]);
  assert.equal(refused.body.message, "Too many requests, please try again later.");

  const first = pending("tom");
  await settle();
  const answers: number[] = [];
  const ask = () => server.get("/version", as("tom")).then(({ code }) => void answers.push(code));
  const waiting = [ask(), ask(), ask()];
  await settle();
  assert.deepEqual(answers, [429], "the third finds the queue full");
  assert.equal((await server.get("/version", as("jane"))).code, 200, "others go on");
  opened[1]?.close();
  assert.ok((await first).status >= 400, "an empty review");
  await Promise.all(waiting);
  assert.deepEqual(answers, [429, 200, 200]);

  const second = pending("tom");
  await settle();
  const late = ask();
  await settle();
  await server.time.advance(60_000);
  await late;
  assert.equal(answers.at(-1), 429, "nobody waits for ever");
  opened[0]?.close();
  opened[2]?.close();
  await Promise.all([held, second]);
});

Deno.test("a mandatory object comes back as it was at the next start; a suggested one stays as an administrator made it", async () => {
  const { VirtualTime, testRandom } = await import("../testing.ts");
  const { createLocalStore } = await import("../../store/mod.ts");
  const time = new VirtualTime();
  const store = createLocalStore({ clock: time, timers: time, random: testRandom(3) });
  try {
    {
      await using server = await start({ store, time });
      await server.patch(`${flows}/catch-all`, { spec: { matchingPrecedence: 9999 } });
      await server.patch(`${levels}/workload-low`, {
        metadata: { annotations: { "apf.kubernetes.io/autoupdate-spec": "false" } },
        spec: { limited: { nominalConcurrencyShares: 7 } },
      });
      await server.patch(`${levels}/system`, { spec: { limited: { nominalConcurrencyShares: 7 } } });
    }
    await using server = await start({ store, time });
    const shares = async (name: string) =>
      (await server.get(`${levels}/${name}`)).body.spec.limited.nominalConcurrencyShares;
    assert.equal((await server.get(`${flows}/catch-all`)).body.spec.matchingPrecedence, 10_000);
    assert.equal(await shares("workload-low"), 7);
    assert.equal(await shares("system"), 30);
  } finally {
    store.close();
  }
});

Deno.test("FairQueue serves a light flow between the requests of a heavy one, whose hand alone it can fill", () => {
  const queue = new FairQueue({ queues: 64, handSize: 4, lengthLimit: 50 });
  const served: string[] = [];
  for (let i = 0; i < 100; i++) queue.add(flowHash("s", "heavy"), () => served.push(`h${i}`));
  for (let i = 0; i < 3; i++) queue.add(flowHash("s", "light"), () => served.push(`l${i}`));
  while (queue.next());
  assert.equal(served.length, 103);
  const last = Math.max(...["l0", "l1", "l2"].map((name) => served.indexOf(name)));
  assert.ok(last < 20, `the light flow is through after ${last}`);
  assert.equal(queue.waiting, 0);
  // One flow alone fills its hand and no more.
  let taken = 0;
  while (queue.add(flowHash("s", "heavy"), () => {}) !== null) taken++;
  assert.equal(taken, 4 * 50);
});

Deno.test("hand() deals different cards, evenly, the same to the same flow", () => {
  const counts = new Array(128).fill(0);
  for (let flow = 0; flow < 20_000; flow++) {
    const dealt = hand(flowHash("s", String(flow)), 128, 6);
    assert.equal(new Set(dealt).size, 6);
    for (const card of dealt) counts[card]++;
  }
  const expected = 20_000 * 6 / 128;
  for (const count of counts) assert.ok(Math.abs(count - expected) < expected * 0.25, `${count} of ${expected}`);
  assert.deepEqual(hand(7, 128, 6), hand(7, 128, 6));
});
