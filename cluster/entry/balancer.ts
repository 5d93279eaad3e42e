import { startBalancer } from "../balancer.ts";
import { apiServerHost, apiServerPort, apiServerUrls } from "../plan.ts";
import { readIdentity, runEntry } from "./_entry.ts";

await runEntry(({ spec, timers, platform }) =>
  startBalancer({
    listen: `tcp:127.0.0.1:${spec.port}`,
    backends: apiServerUrls(spec).map((url, i) => ({ url, address: `tcp:${apiServerHost(spec, i)}:${apiServerPort}` })),
    ca: readIdentity("admin").ca,
    timers: timers.balancer,
  }, platform)
);
