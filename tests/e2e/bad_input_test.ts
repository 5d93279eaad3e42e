import assert from "node:assert/strict";
import { TestHome } from "./harness.ts";

Deno.test("cluster: bad input gets one clear sentence, the right exit code, and makes nothing", async (t) => {
  await using test = await TestHome.make();
  const nothingMade = () => {
    const entries = [...Deno.readDirSync(test.home)].map((entry) => entry.name);
    const clusters = entries.includes("clusters") ? [...Deno.readDirSync(`${test.home}/clusters`)] : [];
    assert.deepEqual(clusters.filter((entry) => entry.isDirectory).map((entry) => entry.name), []);
    assert.ok(!entries.includes("kubeconfig"), "no kubeconfig was written");
  };
  const cases: { title: string; args: string[]; code: number; says: RegExp; env?: Record<string, string> }[] = [
    { title: "unknown flag", args: ["up", "--wrokers", "3"], code: 2, says: /unknown option '--wrokers'.*--workers/s },
    { title: "unknown verb", args: ["upp"], code: 2, says: /unknown command 'upp'/ },
    { title: "flag without its value", args: ["up", "--workers"], code: 2, says: /argument missing/ },
    { title: "not a number", args: ["up", "--workers", "three"], code: 2, says: /Not a whole number/ },
    {
      title: "too many workers",
      args: ["up", "--workers", "5000"],
      code: 2,
      says: /must be a whole number from 0 to 224/,
    },
    { title: "even members", args: ["up", "--control-planes", "2"], code: 2, says: /even number of members/ },
    { title: "no node at all", args: ["up", "--workers", "0"], code: 2, says: /A cluster needs a node/ },
    {
      title: "unknown runtime",
      args: ["up", "--runtime", "docker"],
      code: 2,
      says: /Allowed choices are auto, process, hollow, cri/,
    },
    { title: "a runtime not built yet", args: ["up", "--runtime", "cri"], code: 1, says: /not built yet/ },
    { title: "bad name", args: ["up", "--name", "../x"], code: 2, says: /Invalid cluster name/ },
    { title: "bad duration", args: ["up", "--wait", "soon"], code: 2, says: /Not a duration/ },
    {
      title: "bad quota",
      args: ["up", "--quota-backend-bytes", "8GB"],
      code: 2,
      says: /Invalid --quota-backend-bytes/,
    },
    {
      title: "bad compaction",
      args: ["up", "--auto-compaction-mode", "revision", "--auto-compaction-retention", "1h"],
      code: 2,
      says: /Invalid --auto-compaction-retention "1h": must be a number of revisions/,
    },
    {
      title: "bad check time",
      args: ["up", "--corrupt-check-time", "soon"],
      code: 2,
      says: /Invalid --corrupt-check-time/,
    },
    { title: "status of nothing", args: ["status"], code: 3, says: /No cluster named "default"/ },
    { title: "start of nothing", args: ["start"], code: 3, says: /No cluster named "default"/ },
    { title: "kubectl of nothing", args: ["kubectl", "--", "get", "nodes"], code: 3, says: /No cluster named/ },
    { title: "chaos of nothing", args: ["chaos", "kill", "store"], code: 3, says: /No cluster named/ },
    {
      title: "data directory not writable",
      args: ["up"],
      code: 1,
      says: /Cannot write to the data directory \/proc\/sauropod/,
      env: { SAUROPOD_HOME: "/proc/sauropod" },
    },
  ];
  for (const { title, args, code, says, env } of cases) {
    await t.step(title, async () => {
      const ran = await test.cluster(args, env === undefined ? {} : { env });
      assert.match(ran.stderr, says);
      assert.equal(ran.code, code, ran.stderr);
      assert.doesNotMatch(ran.stderr, /\n\s+at /, "no stack trace");
      nothingMade();
    });
  }
  await t.step("port in use", async () => {
    using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = listener.addr as Deno.NetAddr; // a TCP listener's address
    const ran = await test.cluster(["up", "--port", String(port)]);
    assert.match(ran.stderr, new RegExp(`Cannot listen on 127.0.0.1:${port}: it is in use`));
    assert.equal(ran.code, 1);
    nothingMade();
  });
  await t.step("down of nothing is fine", async () => {
    assert.equal((await test.cluster(["down"])).code, 0);
  });
});
