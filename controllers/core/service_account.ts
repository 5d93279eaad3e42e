import type { ConfigMap, Namespace, ServiceAccount } from "../../api/gen/types.ts";
import { configMaps, serviceAccounts } from "../../api/resources.ts";
import { type Action, decide, type Decision, sameJson } from "./action.ts";

export const rootCaName = "kube-root-ca.crt";

export interface ServiceAccountView {
  readonly namespace: Readonly<Namespace>;
  readonly defaultAccount: Readonly<ServiceAccount> | undefined;
  readonly rootCa: Readonly<ConfigMap> | undefined;
  readonly clusterCaPem: string;
}

/** Every namespace has a ServiceAccount `default` and a ConfigMap with the certificate that clients are to trust. */
export function reconcileServiceAccount(view: ServiceAccountView): Decision {
  const { namespace, defaultAccount, rootCa, clusterCaPem } = view;
  if (namespace.metadata?.deletionTimestamp !== undefined) return decide([]);
  const name = namespace.metadata?.name ?? "";
  const data = { "ca.crt": clusterCaPem };
  const actions: Action[] = [];
  if (defaultAccount === undefined) {
    actions.push({
      kind: "create",
      info: serviceAccounts,
      object: { metadata: { name: "default", namespace: name } },
    });
  }
  if (rootCa === undefined) {
    const object: ConfigMap = { metadata: { name: rootCaName, namespace: name }, data };
    actions.push({ kind: "create", info: configMaps, object });
  } else if (!sameJson(rootCa.data, data)) {
    const gone = Object.keys(rootCa.data ?? {}).filter((key) => !(key in data)).map((key) => [key, null]);
    const patch = { data: { ...Object.fromEntries(gone), ...data } };
    actions.push({ kind: "patch", info: configMaps, object: rootCa, patch });
  }
  return decide(actions);
}
