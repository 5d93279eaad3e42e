import { createRestClient, createTransport } from "../../client/mod.ts";
import { startScheduler } from "../../scheduler/mod.ts";
import { apiServerUrls } from "../plan.ts";
import { readIdentity, runEntry } from "./_entry.ts";

await runEntry(({ spec, plan, timers, platform }) => {
  const transport = createTransport({ endpoints: apiServerUrls(spec), tls: readIdentity("scheduler") }, platform);
  const client = createRestClient(transport, { encoding: "json", userAgent: "sauropod-scheduler" });
  return startScheduler({
    identity: plan.name,
    schedulerName: "default-scheduler",
    seed: platform.random.int(2 ** 31),
    timers: timers.leaderElection,
  }, { client, ...platform });
});
