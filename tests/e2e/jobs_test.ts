import assert from "node:assert/strict";
import type { Job, JobSpec } from "../../api/gen/types.ts";
import { TestHome } from "./harness.ts";

/** Jobs with real kubectl and real processes. */

function job(name: string, command: string, spec: Partial<JobSpec> = {}): string {
  const containers = [{ name: "c", image: "sauropod.dev/host:1", command: ["sh", "-c", command] }];
  return JSON.stringify({
    apiVersion: "batch/v1",
    kind: "Job",
    metadata: { name },
    spec: { template: { spec: { restartPolicy: "Never", containers } }, ...spec },
  });
}

Deno.test("Jobs run to their end, fail, count by index, pause, and go when their time has come", async (t) => {
  await using test = await TestHome.make();
  const up = await test.cluster(
    ["up", "--all-in-one", "--workers", "1", "--control-planes", "1", "--runtime", "process", "--wait", "90s"],
    { timeoutMs: 120_000 },
  );
  assert.equal(up.code, 0, up.stderr);

  async function create(manifest: string): Promise<void> {
    const ran = await test.kubectl(["create", "-f", "-"], { stdin: manifest });
    assert.equal(ran.code, 0, ran.stderr);
  }
  const read = async (name: string) => JSON.parse(await test.ok("get", "job", name, "-o", "json")) as Job;

  await t.step("kubectl create job, wait, logs, get", async () => {
    await test.ok("create", "job", "hello", "--image=sauropod.dev/host:1", "--", "sh", "-c", "echo hello from a job");
    await test.ok("wait", "--for=condition=complete", "job/hello", "--timeout=60s");
    assert.match(await test.ok("logs", "job/hello"), /hello from a job/);
    assert.match(await test.ok("get", "jobs"), /NAME +STATUS +COMPLETIONS +DURATION +AGE\nhello +Complete +1\/1 /);
    const { status } = await read("hello");
    assert.deepEqual([status?.succeeded, status?.ready, status?.terminating], [1, 0, 0]);
    const described = await test.ok("describe", "job", "hello");
    assert.match(described, /SuccessfulCreate .*Created pod: hello-/);
    assert.match(described, /Completed .*Job completed/);
    const pods = await test.ok("get", "pods", "-l", "batch.kubernetes.io/job-name=hello", "-o", "yaml");
    assert.doesNotMatch(pods, /job-tracking/);
  });

  await t.step("a Job that fails reaches its backoff limit", async () => {
    await create(job("bad", "exit 3", { backoffLimit: 0 }));
    await test.ok("wait", "--for=condition=failed", "job/bad", "--timeout=60s");
    const { status } = await read("bad");
    assert.deepEqual(status?.conditions?.map(({ type, reason }) => [type, reason]), [
      ["FailureTarget", "BackoffLimitExceeded"],
      ["Failed", "BackoffLimitExceeded"],
    ]);
    assert.equal(status?.failed, 1);
  });

  await t.step("an Indexed Job gives each pod its index", async () => {
    await create(job("each", "echo index $JOB_COMPLETION_INDEX on $HOSTNAME", {
      completions: 3,
      parallelism: 2,
      completionMode: "Indexed",
    }));
    await test.ok("wait", "--for=condition=complete", "job/each", "--timeout=60s");
    assert.equal((await read("each")).status?.completedIndexes, "0-2");
    const logs = await test.ok("logs", "-l", "batch.kubernetes.io/job-completion-index=2");
    assert.match(logs, /index 2 on each-2/);
  });

  await t.step("a suspended Job has no pods until it is resumed; the finished one goes after its time", async () => {
    await create(job("later", "true", { suspend: true, ttlSecondsAfterFinished: 1 }));
    await test.ok("wait", "--for=condition=suspended", "job/later", "--timeout=60s");
    assert.equal(await test.ok("get", "pods", "-l", "job-name=later", "-o", "name"), "");
    await test.ok("patch", "job", "later", "-p", '{"spec":{"suspend":false}}');
    await test.ok("wait", "--for=delete", "job/later", "--timeout=60s");
    await test.until("its pod is gone", async () =>
      await test.ok("get", "pods", "-l", "job-name=later", "-o", "name") === "");
  });

  await t.step("kubectl delete job takes its pods along", async () => {
    await create(job("long", "sleep 600"));
    await test.ok("wait", "--for=jsonpath={.status.ready}=1", "job/long", "--timeout=60s");
    await test.ok("delete", "job", "long", "--timeout=60s");
    await test.until("its pod is gone", async () =>
      await test.ok("get", "pods", "-l", "job-name=long", "-o", "name") === "");
  });

  await t.step("a CronJob starts Jobs by its schedule, and kubectl makes one of it by hand", async () => {
    const program = ["--", "sh", "-c", "date"];
    await test.ok("create", "cronjob", "tick", "--image=sauropod.dev/host:1", "--schedule=@every 1s", ...program);
    const last = "{.items[0].status.lastSuccessfulTime}";
    await test.until("a run has succeeded", async () =>
      await test.ok("get", "cronjobs", "-o", `jsonpath=${last}`) !== "");
    const described = await test.ok("describe", "cronjob", "tick");
    assert.match(described, /SuccessfulCreate .*Created job tick-\d{8}\n/);
    assert.match(described, /SawCompletedJob .*condition: Complete/);
    await test.ok("create", "job", "by-hand", "--from=cronjob/tick");
    await test.ok("wait", "--for=condition=complete", "job/by-hand", "--timeout=60s");
    assert.match(await test.ok("get", "cronjob", "tick"), /tick +@every 1s +<none> +False +0 /);
    await test.ok("delete", "cronjob", "tick", "--timeout=60s");
    await test.until("its Jobs are gone", async () => !/tick|by-hand/.test(await test.ok("get", "jobs", "-o", "name")));
    const wrong = ["create", "cronjob", "wrong", "--image=i", "--schedule=61 * * * *"];
    assert.match((await test.kubectl(wrong)).stderr, /spec.schedule: Invalid value/);
  });
});
