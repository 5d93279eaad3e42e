import { createRestClient, createTransport } from "../../client/mod.ts";
import { startHollowNodes } from "../../kubelet/mod.ts";
import { apiServerUrls } from "../plan.ts";
import { readIdentity, runEntry } from "./_entry.ts";

await runEntry(({ spec, timers, platform, dataDirectory }) => {
  const tls = readIdentity("hollow-nodes");
  const transport = createTransport({ endpoints: apiServerUrls(spec), tls, http2: true }, platform);
  const client = createRestClient(transport, { encoding: "msgpack", userAgent: "sauropod-hollow-nodes" });
  return startHollowNodes({
    count: spec.hollowNodes,
    prefix: "hollow",
    dataDirectory: `${dataDirectory}/data/hollow-nodes`,
    timers: timers.node,
  }, { client, ...platform });
});
