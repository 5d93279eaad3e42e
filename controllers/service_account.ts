import type { KubeObject } from "../api/meta.ts";
import { keyOf } from "../client/mod.ts";
import { reconcileServiceAccount, rootCaName } from "./core/service_account.ts";
import type { Informers } from "./informers.ts";
import type { Controller } from "./runner.ts";

/** @param clusterCaPem what `kube-root-ca.crt` holds */
export function serviceAccountController(informers: Informers, clusterCaPem: string): Controller {
  const { configMaps, namespaces, serviceAccounts } = informers;
  return {
    name: "serviceaccount",
    keys: () => namespaces.list().map(keyOf),
    subscribe(enqueue) {
      const enqueueNamespace = (object: Readonly<KubeObject>) => enqueue(object.metadata?.namespace ?? "");
      namespaces.subscribe({ added: (object) => enqueue(keyOf(object)) });
      serviceAccounts.subscribe({
        deleted: (object) => object.metadata?.name === "default" && enqueueNamespace(object),
      });
      const ofRootCa = (object: Readonly<KubeObject>) =>
        object.metadata?.name === rootCaName && enqueueNamespace(object);
      configMaps.subscribe({ updated: (_, object) => ofRootCa(object), deleted: ofRootCa });
    },
    async sync(key, turn) {
      const namespace = namespaces.get(key);
      if (namespace === undefined) return;
      await turn.carryOut(reconcileServiceAccount({
        namespace,
        defaultAccount: serviceAccounts.get(`${key}/default`),
        rootCa: configMaps.get(`${key}/${rootCaName}`),
        clusterCaPem,
      }));
    },
  };
}
