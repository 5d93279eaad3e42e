/** What the deletion of a namespace takes with it, and in which order; what every namespace is given. */
import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { type Check, core, create, eventually, gone, items, pod } from "../helpers.ts";
import { good, infoOf, merge, pathIn } from "../lifecycle.ts";

const pods = infoOf("pods");
const configMaps = infoOf("configmaps");

async function makeNamespace(api: Api, name: string): Promise<void> {
  good(await api.call("POST", "/api/v1/namespaces", { metadata: { name } }), 201, "namespace");
  const account = `${core(name)}/serviceaccounts/default`;
  await eventually("the default account", async () => (await api.call("GET", account)).code === 200);
}

/** Deleted with something in it, made again: it must be empty. */
function emptied(resource: string, object: Loose): Check {
  return async (api, namespace) => {
    const name = `${namespace}-inner`;
    const path = `/api/v1/namespaces/${name}`;
    await makeNamespace(api, name);
    await create(api, name, infoOf(resource), object);
    good(await api.call("DELETE", path), 200, "delete");
    await gone(api, path);
    await makeNamespace(api, name);
    assert.deepEqual(await items(api, name, resource), []);
    good(await api.call("DELETE", path), 200, "delete");
    await gone(api, path);
  };
}

export const namespaceChecks: Readonly<Record<string, Check>> = {
  "pods go with their namespace": emptied("pods", pod("test-pod")),
  "services go with their namespace": emptied("services", {
    metadata: { name: "test-service" },
    spec: { selector: { foo: "bar" }, ports: [{ port: 80, targetPort: 80 }] },
  }),
  async "pods go before the rest"(api, namespace) {
    const name = `${namespace}-inner`;
    const path = `/api/v1/namespaces/${name}`;
    const finalizers = ["e2e.example.com/finalizer"];
    await makeNamespace(api, name);
    const object = pod("held");
    object.metadata.finalizers = finalizers;
    await create(api, name, pods, object);
    await create(api, name, configMaps, { metadata: { name: "held", finalizers } });
    good(await api.call("DELETE", path), 200, "delete");
    await eventually("the deletion says how far it is", async () => {
      const { status } = good(await api.call("GET", path), 200, "the namespace while a pod is held");
      return (status.conditions ?? []).some((it: Loose) => it.type === "NamespaceDeletionContentFailure");
    });
    const held = await eventually("the pod is asked to go", async () => {
      const it = good(await api.call("GET", pathIn(pods, name, "held")), 200, "the held pod");
      return it.metadata.deletionTimestamp === undefined ? undefined : it;
    });
    assert.deepEqual(held.metadata.finalizers, finalizers);
    const other = good(await api.call("GET", pathIn(configMaps, name, "held")), 200, "the ConfigMap");
    assert.equal(other.metadata.deletionTimestamp, undefined, "the ConfigMap is asked to go before the pod went");
    const release = { metadata: { finalizers: null } };
    good(await api.call("PATCH", pathIn(pods, name, "held"), release, merge), 200, "release the pod");
    await eventually("the ConfigMap is asked to go", async () => {
      const { body } = await api.call("GET", pathIn(configMaps, name, "held"));
      return body.metadata?.deletionTimestamp !== undefined;
    });
    good(await api.call("PATCH", pathIn(configMaps, name, "held"), release, merge), 200, "release the ConfigMap");
    await gone(api, path);
  },
  async "root certificate"(api, namespace) {
    const path = pathIn(configMaps, namespace, "kube-root-ca.crt");
    const present = async () => {
      const { code, body } = await api.call("GET", path);
      return code === 200 ? body : undefined;
    };
    const first = await eventually("kube-root-ca.crt", present);
    assert.ok(first.data["ca.crt"].length > 0);
    good(await api.call("DELETE", path), 200, "delete");
    const second = await eventually("kube-root-ca.crt is made again", async () => {
      const it = await present();
      return it !== undefined && it.metadata.uid !== first.metadata.uid ? it : undefined;
    });
    assert.deepEqual(second.data, first.data);
    const edit = { data: { "ca.crt": "" } };
    good(await api.call("PATCH", path, edit, merge), 200, "edit");
    await eventually("kube-root-ca.crt is as it was", async () => {
      const it = await present();
      return it?.data?.["ca.crt"] === first.data["ca.crt"];
    });
  },
  async "automount of the token"(api, namespace) {
    const accounts = infoOf("serviceaccounts");
    await create(api, namespace, accounts, { metadata: { name: "mount" }, automountServiceAccountToken: true });
    await create(api, namespace, accounts, { metadata: { name: "nomount" }, automountServiceAccountToken: false });
    const cases = [
      ["default", undefined, true],
      ["default", true, true],
      ["default", false, false],
      ["mount", undefined, true],
      ["mount", true, true],
      ["mount", false, false],
      ["nomount", undefined, false],
      ["nomount", true, true],
      ["nomount", false, false],
    ] as const;
    for (const [at, [account, said, mounted]] of cases.entries()) {
      const spec = {
        serviceAccountName: account,
        ...(said === undefined ? {} : { automountServiceAccountToken: said }),
      };
      const made = await create(api, namespace, pods, pod(`p${at}`, spec));
      const [container] = made.spec.containers;
      const mount = (container.volumeMounts ?? []).find((it: Loose) =>
        it.mountPath === "/var/run/secrets/kubernetes.io/serviceaccount"
      );
      assert.equal(mount !== undefined, mounted, `${account} ${said}`);
      const volume = (made.spec.volumes ?? []).find((it: Loose) => it.name === mount?.name);
      if (mounted) assert.ok(volume?.projected.sources.some((it: Loose) => it.serviceAccountToken !== undefined));
    }
  },
};
