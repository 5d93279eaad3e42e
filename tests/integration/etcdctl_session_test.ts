import assert from "node:assert/strict";
import { createDenoPlatform, http2, sha256 } from "../../platform/deno/mod.ts";
import { createGateway } from "../../store/etcd/mod.ts";
import { etcdctl, etcdMissing, spawnEtcdctl, startEtcd } from "../../store/etcd/test_etcd.ts";
import { connectStore, startMember } from "../../store/mod.ts";

/**
 * One session of Debian's etcdctl, against three members of a real etcd and against three of ours: every line that it prints
 * must be the same, but for what cannot be (ids, terms, addresses, sizes, times). Revisions are compared.
 */
const missing = etcdMissing("etcd") ?? etcdMissing("etcdctl");

Deno.test({
  name: "etcdctl says the same of our store as of a real etcd" + (missing === null ? "" : ` (skipped: ${missing})`),
  ignore: missing !== null,
  async fn() {
    const [theirs, ours] = await Promise.all([startEtcd(3), startOurs()]);
    try {
      const [expected, got] = [new Session(theirs.endpoints), new Session(ours.endpoints)];
      await Promise.all([play(expected), play(got)]);
      const different = expected.steps.flatMap((step, i) =>
        got.steps[i] === step ? [] : [`etcd:\n${step}\n\nours:\n${got.steps[i]}\n`]
      );
      assert.equal(different.join("\n"), "");
      assert.equal(got.steps.length, expected.steps.length);
      assert.ok(got.steps.length > 70, `${got.steps.length} steps`);
    } finally {
      await Promise.all([theirs.stop(), ours.stop()]);
    }
  },
});

async function startOurs(): Promise<{ endpoints: string[]; stop(): Promise<void> }> {
  const directory = await Deno.makeTempDir({ prefix: "etcdctl-session-" });
  const platform = createDenoPlatform({ component: "session", logLevel: "error" });
  const names = ["m0", "m1", "m2"];
  const members = names.map((id) => ({
    id,
    peerAddress: `unix:${directory}/${id}.peer`,
    clientAddress: `unix:${directory}/${id}.sock`,
  }));
  const started = await Promise.all(members.map(({ id }) =>
    startMember({
      clusterId: "session",
      id,
      members,
      dataDirectory: `${directory}/${id}`,
      timers: { tickMs: 25, heartbeatTicks: 2, electionTicks: 16 },
    }, platform)
  ));
  const stops: (() => Promise<void>)[] = [];
  const endpoints: string[] = [];
  for (const { id, clientAddress } of members) {
    const own = connectStore({ endpoints: [clientAddress], only: true }, platform);
    const store = connectStore({ endpoints: members.map((each) => each.clientAddress) }, platform);
    const clientUrl = (member: { readonly id: string }) => names.includes(member.id) ? "http://127.0.0.1:1" : null;
    const config = { clusterId: "session", memberId: id, clientUrl, scratchDirectory: directory };
    const gateway = createGateway(config, { store, own }, { ...platform, sha256 });
    const server = await http2.serve({ address: "tcp:127.0.0.1:0", onStream: gateway.handler });
    endpoints.push(server.address);
    stops.push(async () => {
      await server.close();
      gateway.close();
      store.close();
      own.close();
    });
  }
  return {
    endpoints,
    async stop() {
      await Promise.all(stops.map((stop) => stop()));
      await Promise.all(started.map((member) => member.stop()));
      await Deno.remove(directory, { recursive: true });
    },
  };
}

class Session {
  readonly steps: string[] = [];
  readonly #endpoints: readonly string[];

  constructor(endpoints: readonly string[]) {
    this.#endpoints = endpoints;
  }

  /** Runs a command whose words are separated by blanks (`''`: an empty one), and records what it prints. */
  async run(command: string, options: { stdin?: string; all?: boolean; unordered?: boolean } = {}): Promise<string> {
    const args = command.split(" ").map((word) => word === "''" ? "" : word);
    const endpoints = options.all === true ? this.#endpoints : this.#endpoints.slice(0, 1);
    const { stdin } = options;
    const ran = await etcdctl(endpoints, args, { mayFail: true, ...(stdin === undefined ? {} : { stdin }) });
    const errors = ran.stderr.split("\n").filter((line) => line !== "" && !line.startsWith("{"));
    let lines = [...ran.stdout.trimEnd().split("\n"), ...errors].map(normal);
    if (options.unordered === true) lines = lines.sort();
    this.steps.push([`$ etcdctl ${normal(command)}`, ...lines, `exit ${ran.code}`].join("\n"));
    return ran.stdout;
  }

  /** Waits, by asking again, until a command prints something else than `not`: not recorded. */
  async settle(command: string, not: RegExp): Promise<void> {
    const deadline = performance.now() + settleMs;
    for (;;) {
      const { stdout, stderr } = await etcdctl(this.#endpoints.slice(0, 1), command.split(" "), { mayFail: true });
      if (!not.test(stdout + stderr)) return;
      assert.ok(performance.now() < deadline, `${command}: ${stdout} ${stderr}`);
    }
  }

  /** Runs a command that goes on until it is interrupted, until it has printed so many lines; `then` meanwhile. */
  async follow(command: string, lines: number, then: () => Promise<unknown> = async () => {}): Promise<void> {
    const child = spawnEtcdctl(this.#endpoints.slice(0, 1), command.split(" "));
    const [printed] = await Promise.all([child.lines(lines), then()]);
    await child.interrupt();
    this.steps.push([`$ etcdctl ${normal(command)}`, ...printed.map(normal)].join("\n"));
  }
}

const settleMs = 30_000;

/** What differs between any two clusters. */
function normal(text: string): string {
  return text.trimEnd()
    .replace(
      /"(cluster_id|member_id|raft_term|lease|ID|leader|raftIndex|raftTerm|raftAppliedIndex|dbSize|dbSizeInUse)":-?\d+/g,
      '"$1":N',
    )
    .replace(/"(ClusterID|MemberID|RaftTerm)" : \d+/g, '"$1" : N')
    .replace(/\b(https?|unix):\/\/[^\s,;"]+/g, "URL")
    .replace(/\/tmp\/\S+/g, "FILE")
    .replace(/(?<=ETCD_INITIAL_CLUSTER=").*(?=")/, (all) => all.split(",").sort().join())
    .replace(/\b[0-9a-f]{13,16}\b/g, "ID")
    .replace(/ +ID\b/g, " ID")
    .replace(/\b\d+\.\d+\.\d+\b(?!\.)/g, "VERSION")
    .replace(/\b[\d.]+ [kM]?B\b/g, "SIZE")
    .replace(/took = \S+/g, "took = TIME")
    .replace(/remaining\(\d+s\)/g, "remaining(N)")
    .replace(/(true|false), (true|false), \d+, \d+, \d+,/g, "$1, $2, N, N, N,")
    .replace(/^(URL|127\.0\.0\.1:\d+), \d+$/g, "$1, HASH");
}

async function play(s: Session): Promise<void> {
  // A gateway tells the term once there is a leader.
  await s.settle("get a -w json", /^(?!.*"raft_term")/s);
  // put and get, with every flag.
  await s.run("put a 1");
  await s.run("put a 2 --prev-kv");
  for (const key of ["b", "c", "dir/x", "dir/y", "dir/z"]) await s.run(`put ${key} value-${key}`);
  await s.run("put b --ignore-value");
  await s.run("put piped", { stdin: "from standard input" });
  await s.run("get a");
  await s.run("get a -w json");
  await s.run("get a -w fields");
  await s.run("get none");
  await s.run("get a c");
  await s.run("get dir/ --prefix");
  await s.run("get dir/ --prefix --limit 2 -w json");
  await s.run("get dir/ --prefix --keys-only");
  await s.run("get dir/ --prefix --print-value-only");
  await s.run("get c --from-key");
  await s.run("get '' --prefix --sort-by=MODIFY --order=DESCEND --keys-only");
  await s.run("get '' --from-key --sort-by=CREATE --order=ASCEND --limit 3");
  await s.run("get '' --prefix --sort-by=VALUE --order=DESCEND --print-value-only");
  await s.run("get '' --prefix --sort-by=VERSION --keys-only");
  await s.run("get a --rev 2");
  await s.run("get a --rev 100000");
  await s.run("get a --consistency=s");
  await s.run("get a --hex");
  // what must not be
  await s.run("put '' x");
  await s.run("put none --ignore-value");
  await s.run("put none --ignore-lease x");
  await s.run("put a x --lease=1234");
  // transactions
  const txn = (compares: string[], success: string[], failure: string[]) =>
    s.run("txn -i", { stdin: [...compares, "", ...success, "", ...failure, "", ""].join("\n") });
  await txn(['value("a") = "2"', 'mod("a") > "1"'], ["put a 3", "get a"], ["get b"]);
  await txn(['value("a") = "nothing"'], ["put a 4"], ["get a", "del c", "get c"]);
  await txn(['create("fresh") = "0"', 'version("a") != "0"'], ["put fresh 1"], []);
  await txn([], ["put twice 1", "put twice 2"], []);
  await s.run("txn -w json", { stdin: 'mod("a") > "0"\n\nget a\nput a 5\ndel fresh\n\n\n\n' });
  // deletes
  await s.run("del none");
  await s.run("del b --prev-kv");
  await s.run("del dir/ --prefix --prev-kv");
  await s.run("put r1 1");
  await s.run("put r2 2");
  await s.run("del r1 r9");
  await s.run("del z --from-key");
  // watches: the past, then the present
  await s.follow("watch a --rev 2 --prev-kv", 18);
  const revision = Number(/"revision":(\d+)/.exec(await s.run("get a -w json"))?.[1]);
  await s.follow(`watch w --prefix --rev ${revision + 1}`, 6, async () => {
    await s.run("put w1 now");
    await s.run("put w2 then");
  });
  // leases
  const lease = /lease ([0-9a-f]+)/.exec(await s.run("lease grant 300"))?.[1] ?? "";
  await s.run(`put leased v --lease=${lease}`);
  await s.run("get leased -w json");
  await s.run("put leased w --ignore-lease");
  await s.run(`lease timetolive ${lease}`);
  await s.run(`lease timetolive ${lease} --keys`);
  await s.run("lease list");
  await s.run(`lease keep-alive --once ${lease}`);
  await s.run(`lease revoke ${lease}`);
  await s.run(`lease revoke ${lease}`);
  await s.run(`lease timetolive ${lease}`);
  await s.run("lease keep-alive --once 1234");
  await s.run("get leased");
  // compaction
  await s.run("compaction 10");
  await s.run("compaction 10");
  await s.run("compaction 100000");
  await s.run("get a --rev 3");
  await s.run("get a --rev 10");
  await s.run("watch a --rev 2");
  // members; etcd allows no change before its members have been connected for five seconds
  await s.settle("member add probe --learner --peer-urls=http://127.0.0.1:9", /unhealthy cluster/);
  const probe = /^([0-9a-f]+), unstarted/m.exec(await s.run("member list", { unordered: true }))?.[1] ?? "";
  await s.run(`member remove ${probe}`);
  await s.run("member list", { unordered: true });
  const added = await s.run("member add m3 --learner --peer-urls=http://127.0.0.1:1");
  const learner = /Member ([0-9a-f]+) added/.exec(added)?.[1] ?? "";
  await s.run("member list", { unordered: true });
  await s.run(`member promote ${learner}`);
  await s.run(`member update ${learner} --peer-urls=http://127.0.0.1:2`);
  await s.run(`member remove ${learner}`);
  await s.run("member remove 1234");
  const voter = /^([0-9a-f]+), started/.exec(await s.run("member list", { unordered: true }))?.[1] ?? "";
  await s.run(`member promote ${voter}`);
  // endpoints
  await s.run("endpoint health", { all: true, unordered: true });
  await s.run("endpoint status", { all: true, unordered: true });
  await s.run("endpoint hashkv", { all: true, unordered: true });
  await s.run("alarm list");
  await s.run("alarm disarm");
  await s.run("defrag");
  const file = await Deno.makeTempFile({ dir: "/tmp", prefix: "etcdctl-session-", suffix: ".db" });
  await s.run(`snapshot save ${file}`);
  await Deno.remove(file);
  // leadership
  const status = await s.run("endpoint status", { all: true, unordered: true });
  const follower = /, ([0-9a-f]+), [^,]+, [^,]+, false, false/.exec(status)?.[1] ?? "";
  await s.run(`move-leader ${follower}`, { all: true });
  await s.run("move-leader 1234", { all: true });
  await s.run("endpoint status", { all: true, unordered: true });
  // locks and elections
  await s.run("lock mutex echo locked");
  await s.follow("elect throne me", 2);
  await s.run("get throne --prefix");
  await s.run("get mutex --prefix");
  await s.run("get a -w json");
}
