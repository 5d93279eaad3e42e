import { configMaps } from "../../api/resources.ts";
import { ApiError } from "../../api/status.ts";
import { equalJson } from "../../api/json_value.ts";
import { defaultProxyNames } from "../authn/request_headers.ts";
import { loopbackUser } from "../bootstrap/objects.ts";
import { record } from "../dig.ts";
import type { Registry } from "../registry/context.ts";
import { create } from "../registry/create.ts";
import { modify } from "../registry/write.ts";

const name = "extension-apiserver-authentication";
const namespace = "kube-system";

/**
 * The ConfigMap from which extension apiservers learn whose client certificates to believe, and who may say in headers
 * who asks. @see kubernetes pkg/controlplane/controller/clusterauthenticationtrust
 */
export async function publishAuthentication(registry: Registry): Promise<void> {
  const { frontProxy } = registry.config;
  if (frontProxy === undefined) return;
  const data: Record<string, string> = {
    "client-ca-file": frontProxy.clientCa,
    "requestheader-allowed-names": JSON.stringify(frontProxy.allowedNames ?? defaultProxyNames),
    "requestheader-client-ca-file": frontProxy.ca,
    "requestheader-extra-headers-prefix": JSON.stringify(["X-Remote-Extra-"]),
    "requestheader-group-headers": JSON.stringify(["X-Remote-Group"]),
    "requestheader-uid-headers": JSON.stringify(["X-Remote-Uid"]),
    "requestheader-username-headers": JSON.stringify(["X-Remote-User"]),
  };
  const strategy = registry.strategy(configMaps);
  const context = { user: loopbackUser, dryRun: false, warnings: [] };
  if (strategy.cache.get(namespace, name) === undefined) {
    try {
      const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace }, data };
      await create(registry, context, strategy, namespace, object);
      return;
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
    }
  }
  await modify(registry, context, {
    strategy,
    namespace,
    name,
    next: ({ object }) => {
      if (object === null) return { kind: "keep" };
      const present = record((object as { data?: unknown }).data);
      const merged = { ...present, ...data };
      return equalJson(present, merged)
        ? { kind: "keep" }
        : { kind: "put", object: { ...object, data: merged } as typeof object };
    },
  });
}
