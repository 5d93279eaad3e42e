import { must } from "../../base/assert.ts";
import { createDelegatedAuth, type RestClient } from "../../client/mod.ts";
import type { Component, TlsIdentity } from "../../platform/mod.ts";
import { serveComponent } from "../component_server.ts";
import { metricsUrl } from "../plan.ts";
import type { Entry } from "./_entry.ts";

/** A component that is scraped over TLS: who its certificate says it is, and how it asks who may. */
interface Secure {
  readonly tls: TlsIdentity;
  readonly client: RestClient;
}

/** The same component, which can be scraped at {@linkcode metricsUrl}: before it is ready, and for as long as it runs. */
export async function withMetrics(
  { spec, plan, platform }: Entry,
  component: Component,
  secure?: Secure,
): Promise<Component> {
  let ready = false;
  void component.ready.then(() => void (ready = true), () => {});
  const auth = secure === undefined ? {} : {
    secure: {
      tls: secure.tls,
      auth: createDelegatedAuth({ anonymous: true }, { ...platform, client: secure.client }),
    },
  };
  const url = must(metricsUrl(spec, plan), "one component has one address");
  const server = await serveComponent({ url, isReady: () => ready, ...auth }, platform);
  return {
    ready: component.ready,
    async stop() {
      await component.stop();
      await server.close();
    },
  };
}
