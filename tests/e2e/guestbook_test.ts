import assert from "node:assert/strict";
import { TestHome } from "./harness.ts";

/** Services as their users see them: traffic of a real application through ClusterIP and NodePort while pods die. */

const manifest = "examples/guestbook.yaml";
const requests = 300;
/** A connection for each request, so that the proxy chooses for each. */
const clientOptions: Deno.CreateHttpClientOptions = { poolMaxIdlePerHost: 0 };

interface PodList {
  readonly items: readonly { readonly metadata: { readonly name: string; readonly uid: string } }[];
}

interface Answer {
  readonly pod: string;
  readonly backend: string;
  readonly body: string;
}

/** Rejects unless the answer is a 2xx. */
async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  using client = Deno.createHttpClient(clientOptions);
  const options: RequestInit & { client: Deno.HttpClient } = { ...init, client, signal: AbortSignal.timeout(5000) };
  const response = await fetch(url, options);
  const body = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${body}`);
  const { headers } = response;
  return { pod: headers.get("x-pod") ?? "", backend: headers.get("x-backend") ?? "", body };
}

/** Requests that go on, four at a time, until told to end. */
class Load {
  readonly errors: { readonly atMs: number; readonly text: string }[] = [];
  readonly pods = new Map<string, number>();
  total = 0;
  readonly #url: string;
  readonly #workers: Promise<void>[];
  #ended = false;

  constructor(url: string) {
    this.#url = url;
    this.#workers = Array.from({ length: 4 }, () => this.#work());
  }

  async end(): Promise<void> {
    this.#ended = true;
    await Promise.all(this.#workers);
  }

  async #work(): Promise<void> {
    while (!this.#ended) {
      this.total++;
      try {
        const { pod } = await request(this.#url);
        this.pods.set(pod, (this.pods.get(pod) ?? 0) + 1);
      } catch (error) {
        this.errors.push({ atMs: performance.now(), text: String(error) });
      }
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** Pids of the guestbook in a pod's container. */
async function pidsOf(podUid: string): Promise<number[]> {
  const found: number[] = [];
  for await (const { name } of Deno.readDir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const command = await Deno.readTextFile(`/proc/${name}/cmdline`);
      const place = await Deno.readLink(`/proc/${name}/cwd`);
      if (command.includes("guestbook.ts") && place.includes(podUid)) found.push(Number(name));
    } catch {
      // Gone meanwhile, or not ours.
    }
  }
  return found;
}

Deno.test("the guestbook runs, its frontends share the requests, and losing one costs at most 1 %, then none", async (t) => {
  await using test = await TestHome.make();
  const up = await test.cluster(["up", "--wait", "90s"], { timeoutMs: 120_000 });
  assert.equal(up.code, 0, up.stderr);
  const frontends = async () =>
    (JSON.parse(await test.ok("get", "pods", "-l", "app=guestbook,tier=frontend", "-o", "json")) as PodList).items;
  let clusterUrl = "";

  await t.step("kubectl apply, rollout status", async () => {
    await test.ok("apply", "-f", manifest);
    for (const name of ["guestbook-leader", "guestbook-follower", "guestbook"]) {
      await test.ok("rollout", "status", `deploy/${name}`, "--timeout=60s");
    }
    const ip = await test.ok("get", "service", "guestbook", "-o", "jsonpath={.spec.clusterIP}");
    clusterUrl = `http://${ip.trim()}:8080`;
    await test.until("the ClusterIP answers", () => request(clusterUrl).then(() => true, () => false), 10_000);
  });

  await t.step("what is written through ClusterIP and NodePort is read back from every follower", async () => {
    const address = '{.items[0].status.addresses[?(@.type=="InternalIP")].address}';
    const node = (await test.ok("get", "nodes", "-o", `jsonpath=${address}`)).trim();
    const nodeUrl = `http://${node}:30080`;
    const leaders = new Set<string>();
    for (const [url, text] of [[clusterUrl, "by the ClusterIP"], [nodeUrl, "by the <b>NodePort</b>"]] as const) {
      const answer = await request(`${url}/api/entries`, { method: "POST", body: JSON.stringify({ text }) });
      leaders.add(answer.backend);
    }
    assert.equal(leaders.size, 1, "one leader takes the writes");
    const followers = new Set<string>();
    await test.until("both followers have both entries", async () => {
      const { backend, body } = await request(`${nodeUrl}/api/entries`);
      if (body.includes("by the ClusterIP") && body.includes("by the <b>NodePort</b>")) followers.add(backend);
      return followers.size === 2;
    }, 10_000);
    assert.ok([...followers].every((each) => each.startsWith("guestbook-follower-")), [...followers].join());
    assert.match((await request(nodeUrl)).body, /<title>Guestbook<\/title>/);
  });

  await t.step("kubectl get endpoints shows the ready pods of every Service, and the apiservers", async () => {
    const ips = '{range .items[?(@.status.podIP)]}{.status.podIP}{"\\n"}{end}';
    for (
      const [name, selector, count] of [["guestbook", "tier=frontend", 3], ["guestbook-follower", "role=follower", 2]]
    ) {
      const pods = (await test.ok("get", "pods", "-l", `${selector}`, "-o", `jsonpath=${ips}`)).trim().split("\n")
        .sort();
      assert.equal(pods.length, count);
      await test.until(`the endpoints of ${name}`, async () => {
        const shown = await test.ok("get", "endpoints", `${name}`, "--no-headers");
        return pods.every((ip) => shown.includes(`${ip}:8080`));
      }, 10_000);
    }
    assert.match(await test.ok("get", "endpoints", "kubernetes", "--no-headers"), /^kubernetes +127\.[\d.]+:\d+/);
  });

  await t.step("requests are spread over all ready frontends", async () => {
    const counts = new Map<string, number>();
    for (let i = 0; i < requests; i++) {
      const { pod } = await request(clusterUrl);
      counts.set(pod, (counts.get(pod) ?? 0) + 1);
    }
    const expected = requests / 3;
    const chiSquare = [...counts.values()].reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
    console.log(`spread of ${requests}: ${[...counts.values()].join(" ")}, chi-square ${chiSquare.toFixed(1)}`);
    assert.equal(counts.size, 3);
    for (const [pod, count] of counts) assert.ok(count >= requests / 10, `${pod}: ${count}`);
  });

  /** Loses one frontend in `lose` while requests go on; at most 1 % may fail, and none once it is replaced. */
  async function underLoad(what: string, lose: (pod: PodList["items"][number]) => Promise<unknown>): Promise<void> {
    const [victim] = await frontends();
    assert.ok(victim !== undefined);
    const load = new Load(clusterUrl);
    try {
      await test.until("the load runs", () => Promise.resolve(load.total > 200));
      assert.deepEqual(load.errors, []);
      const start = performance.now();
      await lose(victim);
      await test.ok("rollout", "status", "deploy/guestbook", "--timeout=30s");
      const replaced = performance.now();
      const seen = load.total;
      await test.until("300 more requests", () => Promise.resolve(load.total > seen + 300));
      await load.end();
      const when = load.errors.map(({ atMs, text }) => `+${(atMs - start).toFixed(0)} ms ${text}`);
      console.log(`${what}: ${load.errors.length} of ${load.total} failed`, when);
      assert.ok(load.errors.length <= load.total / 100, when.join("\n"));
      assert.deepEqual(load.errors.filter(({ atMs }) => atMs > replaced), []);
    } finally {
      await load.end();
    }
  }

  await t.step(
    "a frontend is deleted under load",
    () => underLoad("delete", ({ metadata }) => test.ok("delete", "pod", metadata.name, "--timeout=30s")),
  );

  await t.step("the process of a frontend is killed under load", () =>
    underLoad("SIGKILL", async ({ metadata }) => {
      const pids = await pidsOf(metadata.uid);
      assert.ok(pids.length > 0, "its process is found");
      for (const pid of pids) Deno.kill(pid, "SIGKILL");
      await test.until("it has been restarted and is ready", async () => {
        const status = "{.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}";
        return await test.ok("get", "pod", metadata.name, "-o", `jsonpath=${status}`) === "1 true";
      });
    }));

  await t.step("kubectl delete", async () => {
    await test.ok("delete", "-f", manifest, "--timeout=30s");
    await test.until("the pods are gone", async () =>
      (await test.ok("get", "pods", "-l", "app=guestbook", "-o", "name")).trim() === "");
  });
});
