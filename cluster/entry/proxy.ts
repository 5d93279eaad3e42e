import { createRestClient, createTransport } from "../../client/mod.ts";
import { startProxy } from "../../proxy/mod.ts";
import { apiServerUrls, nodeAddress } from "../plan.ts";
import { readIdentity, runEntry } from "./_entry.ts";

await runEntry(({ spec, plan, index, platform }) => {
  const transport = createTransport(
    { endpoints: apiServerUrls(spec), tls: readIdentity("proxy"), http2: true },
    platform,
  );
  const client = createRestClient(transport, { encoding: "msgpack", userAgent: "sauropod-proxy" });
  return startProxy({ nodeName: plan.node ?? "", nodeAddress: nodeAddress(spec, index - 1), timers: {} }, {
    client,
    ...platform,
  });
});
