import assert from "node:assert/strict";
import { type Answer, start, type TestServer } from "../testing.ts";

async function namespace(server: TestServer, name: string, labels: Record<string, string>): Promise<Answer> {
  const prefixed = Object.entries(labels).map(([key, value]) => [`pod-security.kubernetes.io/${key}`, value]);
  const answer = await server.post("/api/v1/namespaces", { metadata: { name, labels: Object.fromEntries(prefixed) } });
  await server.post(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: "default" } });
  return answer;
}

function pod(server: TestServer, ns: string, spec: Record<string, unknown>, container: Record<string, unknown> = {}) {
  return server.post(`/api/v1/namespaces/${ns}/pods`, {
    metadata: { generateName: "p-", name: "p" },
    spec: { containers: [{ name: "c", image: "i", ...container }], ...spec },
  }, {});
}

const good = {
  securityContext: {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ["ALL"] },
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
  },
};

Deno.test("a namespace that enforces baseline refuses what takes over a node, in upstream's words", async () => {
  await using server = await start();
  await namespace(server, "ns", { enforce: "baseline" });
  const refused = async (spec: Record<string, unknown>, container: Record<string, unknown> = {}) => {
    const answer = await pod(server, "ns", spec, container);
    assert.equal(answer.code, 403, JSON.stringify(answer.body));
    return answer.body.message.replace('pods "p" is forbidden: violates PodSecurity "baseline:latest": ', "");
  };
  assert.equal(await refused({ hostNetwork: true, hostPID: true }), "host namespaces (hostNetwork=true, hostPID=true)");
  assert.equal(
    await refused({ volumes: [{ name: "v", hostPath: { path: "/" } }] }, { securityContext: { privileged: true } }),
    'hostPath volumes (volume "v"), privileged (container "c" must not set securityContext.privileged=true)',
  );
  assert.equal(
    await refused({}, { ports: [{ containerPort: 80, hostPort: 80 }] }),
    'hostPort (container "c" uses hostPort 80)',
  );
  assert.equal(
    await refused({}, { securityContext: { capabilities: { add: ["NET_RAW", "SYS_ADMIN", "CHOWN"] } } }),
    'non-default capabilities (container "c" must not include "NET_RAW", "SYS_ADMIN" in ' +
      "securityContext.capabilities.add)",
  );
  assert.equal(
    await refused({ securityContext: { seccompProfile: { type: "Unconfined" } } }),
    'seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined")',
  );
  assert.equal(
    await refused({ securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } }),
    "forbidden sysctls (kernel.msgmax)",
  );
  assert.equal(
    await refused({ securityContext: { seLinuxOptions: { type: "spc_t", user: "u" } } }),
    'seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set)',
  );
  assert.equal((await pod(server, "ns", {})).code, 201);
});

Deno.test("restricted asks for the least rights; a Deployment is warned of, its pods are refused", async () => {
  await using server = await start();
  await namespace(server, "ns", { enforce: "restricted", "enforce-version": "v1.30", warn: "restricted" });
  const detail = 'allowPrivilegeEscalation != false (container "c" must set ' +
    'securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (container "c" must set ' +
    'securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or container "c" must set ' +
    'securityContext.runAsNonRoot=true), seccompProfile (pod or container "c" must set ' +
    'securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")';
  const refused = await pod(server, "ns", {});
  assert.equal(refused.body.message, `pods "p" is forbidden: violates PodSecurity "restricted:v1.30": ${detail}`);
  assert.equal(refused.headers.get("warning"), null);
  const template = { metadata: { labels: { a: "b" } }, spec: { containers: [{ name: "c", image: "i" }] } };
  const deployment = await server.post("/apis/apps/v1/namespaces/ns/deployments", {
    metadata: { name: "d" },
    spec: { selector: { matchLabels: { a: "b" } }, template },
  });
  assert.equal(deployment.code, 201);
  const warning = `would violate PodSecurity "restricted:latest": ${detail}`.replace(/["\\]/g, "\\$&");
  assert.equal(deployment.headers.get("warning"), `299 - "${warning}"`);
  const volume = await pod(server, "ns", { volumes: [{ name: "v", hostPath: { path: "/" } }] }, good);
  assert.match(
    volume.body.message,
    /: restricted volume types \(volume "v" uses restricted volume type "hostPath"\)$/,
  );
  assert.equal((await pod(server, "ns", {}, good)).code, 201);
});

Deno.test("labels of a namespace must be levels and versions; a stricter level warns of pods that are there", async () => {
  await using server = await start();
  const bad = await namespace(server, "bad", { enforce: "strict", "warn-version": "1.30" });
  assert.equal(bad.code, 422);
  assert.equal(
    bad.body.message,
    'Namespace "bad" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must ' +
      "be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid " +
      'value: "1.30": must be "latest" or "v1.x"]',
  );
  await namespace(server, "ns", {});
  assert.equal((await pod(server, "ns", { hostNetwork: true })).code, 201);
  const labels = { "pod-security.kubernetes.io/enforce": "baseline" };
  const stricter = await server.patch("/api/v1/namespaces/ns", { metadata: { labels } });
  assert.equal(stricter.code, 200);
  assert.match(
    stricter.headers.get("warning") ?? "",
    /existing pods in namespace \\"ns\\" violate the new PodSecurity enforce level \\"baseline:latest\\"", 299 - "p: host namespaces/,
  );
});
