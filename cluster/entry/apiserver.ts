import type { Component } from "../../platform/mod.ts";
import { callHttps, certificates, loadCiphers, postHttps, upgradeHttps } from "../../platform/deno/mod.ts";
import { type FrontProxy, openAuditFile, type ServerConfig, startApiServer } from "../../apiserver/mod.ts";
import { apiServerHost, apiServerPort, serviceCidr } from "../plan.ts";
import { auditLogPath, loadApiServerOptions } from "../api_server_options.ts";
import { type Entry, hasPkiFile, readIdentity, readPkiFile, runEntry } from "./_entry.ts";
import { openStore } from "./_store.ts";
import { openTracer } from "./_tracing.ts";

export async function apiserver({ spec, plan, index, timers, platform }: Entry): Promise<Component> {
  const store = await openStore(spec, index, platform);
  const { encryption, auditPolicy, authentication } = loadApiServerOptions(spec.apiServer ?? {});
  const ciphers = encryption === undefined ? {} : { ciphers: await loadCiphers() };
  const auditFile = auditPolicy === undefined ? null : openAuditFile(auditLogPath(plan.name), platform);
  const { tracer, closing } = openTracer(plan.name, platform);
  const host = apiServerHost(spec, index);
  const server = await startApiServer(
    {
      name: plan.name,
      address: `tcp:${host}:${apiServerPort}`,
      advertise: { address: host, port: apiServerPort },
      tls: readIdentity("apiserver"),
      kubeletClient: readIdentity("apiserver-kubelet-client"),
      serviceAccount: {
        privateKeyPem: readPkiFile("sa.key"),
        publicKeyPem: readPkiFile("sa.pub"),
        issuer: "https://kubernetes.default.svc.cluster.local",
      },
      authentication,
      admissionPlugins: admissionPluginsOf(spec),
      ...frontProxy(),
      serviceCidr: serviceCidr(spec),
      allowLoopbackEndpoints: true,
      declarationOf,
      traceSamplingPerMillion: spec.traceSamplingPerMillion ?? 0,
      ...(encryption === undefined ? {} : { encryption }),
      ...(auditPolicy === undefined || auditFile === null ? {} : { audit: { policy: auditPolicy, log: auditFile } }),
      timers: {
        endpointReconcileMs: timers.apiServer.endpointReconcileMs,
        podTolerationSeconds: timers.node.podEvictionMs / 1000,
      },
    },
    platform,
    store,
    { postHttps, callHttps, upgradeHttps, certificates, ...ciphers, tracer },
  );
  return closing({
    ready: server.ready,
    async stop() {
      await server.stop();
      await auditFile?.close();
      store.close();
    },
  });
}

if (import.meta.main) await runEntry(apiserver);

/** Where nobody judges nodes, nobody would take away the taint that a new one is given. */
function admissionPluginsOf({ apiServer, nodeLifecycle }: Entry["spec"]): Required<ServerConfig>["admissionPlugins"] {
  const { enable = [], disable = [] } = apiServer?.admissionPlugins ?? {};
  return { enable, disable: nodeLifecycle === false ? [...disable, "TaintNodesByCondition"] : disable };
}

/** The types package as it lies in Deno's cache; read file by file, when someone wants an explanation. */
function declarationOf(className: string): string | undefined {
  try {
    const file = import.meta.resolve(`@kubernetes/client-node/dist/gen/models/${className}.d.ts`);
    return Deno.readTextFileSync(new URL(file));
  } catch {
    // Not fetched, or not in there: then there is nothing to say.
    return undefined;
  }
}

/** Clusters made before there was one have none: their apiservers ask no extension apiserver. */
function frontProxy(): { frontProxy?: FrontProxy } {
  if (!hasPkiFile("front-proxy-client.key")) return {};
  return { frontProxy: { ...readIdentity("front-proxy-client", "front-proxy-ca"), clientCa: readPkiFile("ca.crt") } };
}
