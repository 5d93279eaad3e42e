import { encodeBase64 } from "../../api/base64.ts";
import { utf8 } from "../../base/bytes.ts";
import { Hook } from "../integration/hook.ts";
import type { Api, Loose } from "./api.ts";
import { everywhere } from "./definitions.ts";
import { create } from "./helpers.ts";
import { good, infoOf, pathIn } from "./lifecycle.ts";

const serviceName = "e2e-test-webhook";
const servicePort = 8443;

/** A webhook's server that the check runs itself, behind a Service of its namespace: what a pod is upstream. */
export interface HookService extends AsyncDisposable {
  readonly hook: Hook;
  /** For `clientConfig`. */
  client(path: string): Loose;
}

export async function openHookService(
  api: Api,
  namespace: string,
  answer: (path: string, request: Loose) => Loose | Promise<Loose>,
): Promise<HookService> {
  const host = `${serviceName}.${namespace}.svc`;
  const hook: Hook = await Hook.open((request) => answer(new URL(hook.asked.at(-1).url).pathname, request), [host]);
  const ports = [{ name: "", protocol: "TCP", port: servicePort, targetPort: hook.port }];
  await create(api, namespace, infoOf("services"), { metadata: { name: serviceName }, spec: { ports } });
  await create(api, namespace, infoOf("endpointslices"), {
    metadata: { name: serviceName, labels: { "kubernetes.io/service-name": serviceName } },
    addressType: "IPv4",
    ports: [{ name: "", protocol: "TCP", port: hook.port }],
    endpoints: [{ addresses: ["127.0.0.1"], conditions: { ready: true } }],
  });
  const service = { namespace, name: serviceName, port: servicePort };
  return {
    hook,
    client: (path) => ({ service: { ...service, path }, caBundle: hook.caBundle }),
    [Symbol.asyncDispose]: () => hook[Symbol.asyncDispose](),
  };
}

export type WebhookKind = "mutating" | "validating";

export function configurationPath(kind: WebhookKind, name = ""): string {
  return pathIn(infoOf(`${kind}webhookconfigurations`), "", name);
}

/** One webhook on what is made in the check's namespace. */
export function webhookOn(
  namespace: string,
  name: string,
  clientConfig: Loose,
  [group, version, resource]: readonly [string, string, string],
  more: Loose = {},
): Loose {
  const rule = { apiGroups: [group], apiVersions: [version], operations: ["CREATE"], resources: [resource] };
  return {
    name: `${name}.k8s.io`,
    rules: [rule],
    clientConfig,
    sideEffects: "None",
    admissionReviewVersions: ["v1", "v1beta1"],
    ...(group === "" || group.includes("example")
      ? { namespaceSelector: { matchLabels: { "conformance-run": namespace } } }
      : {}),
    ...more,
  };
}

/** Registers webhooks, and resolves when every apiserver asks them. */
export async function register(
  api: Api,
  namespace: string,
  kind: WebhookKind,
  service: HookService,
  webhooks: readonly Loose[],
  labels: Loose = {},
): Promise<string> {
  const name = `${kind}-${namespace}${Object.values(labels).join("")}`;
  const ready = webhookOn(namespace, "ready", service.client("/ready"), ["", "v1", "configmaps"], {
    objectSelector: { matchLabels: { "webhook-marker": namespace } },
  });
  good(
    await api.call("POST", configurationPath(kind), { metadata: { name, labels }, webhooks: [...webhooks, ready] }),
    201,
    `register ${name}`,
  );
  await everywhere(`${name} is asked`, async () => {
    const marker = { metadata: { name: "marker", labels: { "webhook-marker": namespace } } };
    const path = `${pathIn(infoOf("configmaps"), namespace)}?dryRun=All`;
    const { body } = await api.call("POST", path, marker);
    return String(body.message ?? "").includes("ready to be asked");
  });
  return name;
}

export function patchAnswer(...operations: readonly Loose[]): Loose {
  if (operations.length === 0) return { allowed: true };
  return { allowed: true, patchType: "JSONPatch", patch: encodeBase64(utf8(JSON.stringify(operations))) };
}

export function denial(message: string): Loose {
  return { allowed: false, status: { message } };
}
