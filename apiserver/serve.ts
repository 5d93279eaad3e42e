import type { Component, Platform } from "../platform/mod.ts";
import type { Store } from "../store/types.ts";
import type { ApiServerConfig, ServerDeps } from "./config.ts";
import { createApiServer } from "./server.ts";

/**
 * An apiserver on its secure port. Serves as soon as it listens; /readyz says when it is of use, and `ready` resolves
 * then.
 */
export async function startApiServer(
  config: ApiServerConfig,
  platform: Platform,
  store: Store,
  more: Pick<ServerDeps, "callHttps" | "certificates" | "ciphers" | "postHttps" | "tracer" | "upgradeHttps"> = {},
): Promise<Component & { url: string }> {
  const kubelets = platform.network.http.client({ tls: config.kubeletClient, http2: false });
  const backends = platform.network.http.client({ http2: false });
  const server = createApiServer(config, {
    ...platform,
    store,
    kubelets,
    backends,
    ...more,
    dialHttps: (ca) => platform.network.http.client({ ...(ca === undefined ? {} : { tls: { ca } }), http2: false }),
  });
  const listener = await platform.network.http.serve({
    address: config.address,
    tls: {
      ...config.tls,
      clientCertificates: true,
      ...(config.frontProxy === undefined ? {} : { proxyCa: config.frontProxy.ca }),
    },
    handler: (request, context) => server.handle(request, context),
  });
  let stopped = false;
  return {
    url: listener.url,
    ready: server.ready,
    stop: async () => {
      if (stopped) return;
      stopped = true;
      await server.stop();
      await listener.close();
      kubelets.close();
      backends.close();
    },
  };
}
