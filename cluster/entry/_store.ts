import { http2 } from "../../platform/deno/mod.ts";
import type { Platform, TlsIdentity } from "../../platform/mod.ts";
import { connectStore, type Store } from "../../store/mod.ts";
import { externalStorePki } from "../external_store.ts";
import { storeClientAddresses } from "../plan.ts";
import type { ClusterSpec, ExternalStore } from "../spec.ts";
import { readPkiFile } from "./_entry.ts";

/** The cluster's store: its own members, the nearest first, or the etcd that it was told to use. */
export async function openStore(spec: ClusterSpec, index: number, platform: Platform): Promise<Store> {
  if (spec.store === undefined) {
    return connectStore({ endpoints: storeClientAddresses(spec, index) }, platform);
  }
  // Loaded only then: gRPC costs an apiserver's start some milliseconds.
  const { connectEtcd, startCompactor } = await import("../../store/etcd/mod.ts");
  const { endpoints } = spec.store;
  const first = index % endpoints.length;
  const store = connectEtcd({
    endpoints: [...endpoints.slice(first), ...endpoints.slice(0, first)],
    ...(spec.store.tls ? { tls: readTls(spec.store) } : {}),
  }, { ...platform, dialHttp2: http2.dial });
  startCompactor({ store, timers: platform.timers, log: platform.log }); // as long as this process runs
  return store;
}

function readTls({ clientCertificate }: ExternalStore): Partial<TlsIdentity> {
  const ca = readPkiFile(externalStorePki.ca);
  if (!clientCertificate) return { ca };
  return { ca, cert: readPkiFile(externalStorePki.cert), key: readPkiFile(externalStorePki.key) };
}
