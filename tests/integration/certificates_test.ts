import "reflect-metadata";
import assert from "node:assert/strict";
import * as x509 from "@peculiar/x509";
import { settle, start, type TestServer } from "../../apiserver/testing.ts";
import { createRestClient } from "../../client/mod.ts";
import { createTestRandom, silentLog } from "../../client/testing.ts";
import { startControllerManager } from "../../controllers/mod.ts";
import { createAuthority } from "../../cluster/pki.ts";
import { createMetrics } from "../../platform/metrics.ts";
import { certificates } from "../../platform/deno/mod.ts";
import type { Component } from "../../platform/mod.ts";
import { inProcess } from "./in_process.ts";
import { type Kubectl, withKubectl } from "./kubectl.ts";

const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const rsa = {
  name: "RSASSA-PKCS1-v1_5",
  hash: "SHA-256",
  publicExponent: new Uint8Array([1, 0, 1]),
  modulusLength: 2048,
};
const requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const client = "kubernetes.io/kube-apiserver-client";
const kubelet = "kubernetes.io/kube-apiserver-client-kubelet";

interface Asked {
  readonly name: string;
  readonly groups?: string[];
  readonly dns?: string[];
  readonly algorithm?: typeof ecdsa | typeof rsa;
}

async function requestPem({ name, groups = [], dns = [], algorithm = ecdsa }: Asked): Promise<string> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [...groups.map((group) => ({ O: [group] })), { CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: dns.length === 0
      ? []
      : [new x509.SubjectAlternativeNameExtension(dns.map((value) => ({ type: "dns" as const, value })))],
  });
  return request.toString("pem");
}

interface Manifest {
  readonly name: string;
  readonly pem: string;
  readonly signerName: string;
  readonly usages: readonly string[];
  readonly expirationSeconds?: number;
}

function manifest({ name, pem, signerName, usages, expirationSeconds }: Manifest) {
  return {
    apiVersion: "certificates.k8s.io/v1",
    kind: "CertificateSigningRequest",
    metadata: { name },
    spec: {
      request: btoa(pem),
      signerName,
      usages,
      ...(expirationSeconds === undefined ? {} : { expirationSeconds }),
    },
  };
}

const authority = await createAuthority("test-ca");

function startControllers(server: TestServer): Component {
  const { time } = server;
  return startControllerManager({
    identity: "cm",
    timers: {
      // Hours pass here: nobody else competes, and no node is watched.
      leaseDurationMs: 600_000,
      renewDeadlineMs: 400_000,
      retryPeriodMs: 100_000,
      nodeMonitorPeriodMs: 600_000,
      nodeMonitorGraceMs: 600_000,
      podEvictionMs: 600_000,
    },
    nodeLifecycle: false,
    clusterCaPem: authority.cert,
    signing: { certificates, authority },
  }, {
    client: createRestClient(inProcess(server), { encoding: "json", userAgent: "test" }),
    platform: { clock: time, timers: time, random: createTestRandom(1), log: silentLog, metrics: createMetrics() },
  });
}

/** Lets virtual time pass, with turns of the event loop in between for what the runtime itself does (crypto, streams). */
async function until(server: TestServer, what: string, holds: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; turn < 600; turn++) {
    if (await holds()) return;
    await server.time.advance(20);
    await new Promise((resolve) => setTimeout(resolve, 0));
    await settle();
  }
  assert.fail(`never: ${what}`);
}

async function conditionOf(server: TestServer, name: string): Promise<string> {
  const { body } = await server.get(`${requests}/${name}`);
  const types = (body.status?.conditions ?? []).map((it: { type: string }) => it.type);
  return [...types, ...(body.status?.certificate === undefined ? [] : ["Issued"])].join(",");
}

async function certificateOf(server: TestServer, name: string): Promise<x509.X509Certificate> {
  return new x509.X509Certificate(atob((await server.get(`${requests}/${name}`)).body.status.certificate));
}

Deno.test("kubectl certificate approve has a request of an RSA key signed, with its subject, names, usages and time", () =>
  withKubectl(async (kubectl: Kubectl, server, home) => {
    const controllers = startControllers(server);
    try {
      const pem = await requestPem({ name: "jane", groups: ["dev", "ops"], dns: ["jane.example.com"], algorithm: rsa });
      const wanted = { name: "jane", pem, signerName: client, usages: ["client auth"], expirationSeconds: 3600 };
      await Deno.writeTextFile(`${home}/csr.json`, JSON.stringify(manifest(wanted)));
      assert.equal((await kubectl("create", "-f", `${home}/csr.json`)).code, 0);
      const row = (await kubectl("get", "csr", "jane", "--no-headers")).stdout.trim().split(/\s+/);
      assert.deepEqual([row[0], row[2], row[3], row[4], row[5]], [
        "jane",
        client,
        "kubernetes-admin",
        "60m",
        "Pending",
      ]);
      assert.equal((await kubectl("certificate", "approve", "jane")).code, 0);
      await until(server, "signed", async () => await conditionOf(server, "jane") === "Approved,Issued");
      const certificate = await certificateOf(server, "jane");
      assert.equal(certificate.subject, "O=dev, O=ops, CN=jane");
      const root = new x509.X509Certificate(authority.cert);
      assert.ok(await certificate.verify({ publicKey: root.publicKey, signatureOnly: true }));
      const now = server.time.now();
      assert.ok(Math.abs(certificate.notAfter.getTime() - now - 3_600_000) < 30_000, "an hour, as asked");
      assert.ok(now - certificate.notBefore.getTime() >= 300_000, "dated back");
      const names = certificate.getExtension(x509.SubjectAlternativeNameExtension)?.names.toJSON();
      assert.deepEqual(names, [{ type: "dns", value: "jane.example.com" }]);
      const usages = certificate.getExtension(x509.ExtendedKeyUsageExtension)?.usages;
      assert.deepEqual([...usages ?? []], [x509.ExtendedKeyUsage.clientAuth]);

      await Deno.writeTextFile(`${home}/other.json`, JSON.stringify(manifest({ ...wanted, name: "other" })));
      await kubectl("create", "-f", `${home}/other.json`);
      assert.equal((await kubectl("certificate", "deny", "other")).code, 0);
      assert.match((await kubectl("get", "csr", "other", "--no-headers")).stdout, /Denied\s*$/);
      const again = await kubectl("certificate", "approve", "other");
      assert.match(again.stderr, /already denied|may not|mutually exclusive/i);

      // Settled requests go after an hour.
      await until(server, "cleared", async () => {
        await server.time.advance(600_000);
        return (await server.get(`${requests}/jane`)).code === 404;
      });
    } finally {
      await controllers.stop();
    }
  }, { certificates }));

Deno.test("a bootstrap token's request for a kubelet certificate is approved unasked where RBAC says so, others wait", async () => {
  await using server = await start({ certificates });
  const controllers = startControllers(server);
  try {
    const data = {
      "token-id": "abcdef",
      "token-secret": "0123456789abcdef",
      "usage-bootstrap-authentication": "true",
      "auth-extra-groups": "system:bootstrappers:nodes",
      expiration: "2026-01-01T06:00:00Z",
    };
    const secret = {
      metadata: { name: "bootstrap-token-abcdef" },
      type: "bootstrap.kubernetes.io/token",
      stringData: data,
    };
    assert.equal((await server.post("/api/v1/namespaces/kube-system/secrets", secret)).code, 201);
    for (
      const role of ["system:node-bootstrapper", "system:certificates.k8s.io:certificatesigningrequests:nodeclient"]
    ) {
      await server.post("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        metadata: { name: `bootstrap-${role.length}` },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
        subjects: [{ kind: "Group", apiGroup: "rbac.authorization.k8s.io", name: "system:bootstrappers:nodes" }],
      });
    }
    const token = { as: null, headers: { authorization: "Bearer abcdef.0123456789abcdef" } };
    const usages = ["digital signature", "client auth"];
    const good = await requestPem({ name: "system:node:n1", groups: ["system:nodes"] });
    const made = await server.post(requests, manifest({ name: "n1", pem: good, signerName: kubelet, usages }), token);
    assert.equal(made.code, 201, JSON.stringify(made.body));
    assert.equal(made.body.spec.username, "system:bootstrap:abcdef");
    assert.deepEqual(made.body.spec.groups, [
      "system:bootstrappers",
      "system:bootstrappers:nodes",
      "system:authenticated",
    ]);
    await until(server, "signed", async () => await conditionOf(server, "n1") === "Approved,Issued");
    assert.equal((await certificateOf(server, "n1")).subject, "O=system:nodes, CN=system:node:n1");

    // Not a node's: nobody approves it. Approved by hand, its signer still refuses it.
    const stray = await requestPem({ name: "root", groups: ["system:nodes"] });
    await server.post(requests, manifest({ name: "stray", pem: stray, signerName: kubelet, usages }), token);
    await server.time.advance(1000);
    assert.equal(await conditionOf(server, "stray"), "");
    const approved = { type: "Approved", status: "True", reason: "ByHand" };
    await server.patch(`${requests}/stray/approval`, { status: { conditions: [approved] } });
    await until(server, "failed", async () => await conditionOf(server, "stray") === "Approved,Failed");
    const { body } = await server.get(`${requests}/stray`);
    assert.equal(body.status.conditions[1].message, "subject common name does not begin with system:node:");

    // The token's time is over: it is refused at once and soon gone.
    await server.time.advance(6 * 3_600_000);
    assert.equal((await server.get(requests, token)).code, 401);
    const left = "/api/v1/namespaces/kube-system/secrets/bootstrap-token-abcdef";
    await until(server, "token cleared", async () => (await server.get(left)).code === 404);
  } finally {
    await controllers.stop();
  }
});

Deno.test("a request that is unsigned, asks for superusers, or has an unknown usage is refused in upstream's words", async () => {
  await using server = await start({ certificates });
  const pem = await requestPem({ name: "jane" });
  const post = async (more: Partial<Manifest>) => {
    const it = { name: "r", pem, signerName: client, usages: ["client auth"], ...more };
    return (await server.post(requests, manifest(it))).body.message;
  };
  const refused = (what: string) => `CertificateSigningRequest.certificates.k8s.io "r" is invalid: ${what}`;
  assert.match(
    await post({ pem: "hello" }),
    /spec.request: Invalid value: .*: PEM block type must be CERTIFICATE REQUEST$/,
  );
  const broken = atob(pem.replace(/-----[^-]+-----|\s/g, ""));
  const last = String.fromCharCode(broken.charCodeAt(broken.length - 1) ^ 1);
  const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${
    btoa(broken.slice(0, -1) + last)
  }\n-----END CERTIFICATE REQUEST-----`;
  assert.match(await post({ pem: forged }), /does not verify|cannot be read/);
  assert.equal(
    await post({ pem: await requestPem({ name: "eve", groups: ["system:masters"] }) }),
    `certificatesigningrequests.certificates.k8s.io "r" is forbidden: use of ${client} signer with system:masters group ` +
      "is not allowed",
  );
  assert.match(
    await post({ usages: ["signing", "world domination"] }),
    /spec.usages\[1\]: Unsupported value: "world domination"/,
  );
  assert.equal(
    await post({ expirationSeconds: 60 }),
    refused("spec.expirationSeconds: Invalid value: 60: may not specify a duration less than 600 seconds (10 minutes)"),
  );
  assert.equal(
    await post({ signerName: "nosigner" }),
    refused(
      'spec.signerName: Invalid value: "nosigner": must be a fully qualified domain and path of the form ' +
        "'example.com/signer-name'",
    ),
  );
  assert.match(await post({ signerName: "kubernetes.io/legacy-unknown" }), /the legacy signerName is not allowed/);
});

Deno.test("who may approve or sign for which signer is a right of its own; verdicts and certificates stay", async () => {
  await using server = await start({ certificates });
  const pem = await requestPem({ name: "jane" });
  await server.post(requests, manifest({ name: "r", pem, signerName: "example.com/fun", usages: ["client auth"] }));
  const rbac = "/apis/rbac.authorization.k8s.io/v1";
  const grant = async (name: string, rules: unknown[]) => {
    await server.post(`${rbac}/clusterroles`, { metadata: { name }, rules });
    await server.post(`${rbac}/clusterrolebindings`, {
      metadata: { name },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name },
      subjects: [{ kind: "User", apiGroup: "rbac.authorization.k8s.io", name: "judge" }],
    });
  };
  const group = "certificates.k8s.io";
  const updates = ["certificatesigningrequests/approval", "certificatesigningrequests/status"];
  await grant("updates", [{ apiGroups: [group], resources: updates, verbs: ["patch", "update"] }]);
  const judge = { as: { commonName: "judge", organizations: [] } };
  const approval = { status: { conditions: [{ type: "Approved", status: "True", reason: "Fine" }] } };
  const refusal = (verb: string) =>
    `certificatesigningrequests.certificates.k8s.io "r" is forbidden: user not permitted to ${verb} requests with ` +
    'signerName "example.com/fun"';
  assert.equal((await server.patch(`${requests}/r/approval`, approval, judge)).body.message, refusal("approve"));
  await grant("signers", [{
    apiGroups: [group],
    resources: ["signers"],
    resourceNames: ["example.com/*"],
    verbs: ["approve"],
  }]);
  await settle();
  const done = await server.patch(`${requests}/r/approval`, approval, judge);
  assert.equal(done.code, 200, JSON.stringify(done.body));
  assert.equal(done.body.status.conditions[0].lastUpdateTime, "2026-01-01T00:00:00Z");
  const issued = { status: { certificate: btoa("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n") } };
  assert.equal((await server.patch(`${requests}/r/status`, issued, judge)).body.message, refusal("sign"));
  assert.match(
    (await server.patch(`${requests}/r/approval`, { status: { conditions: [] } })).body.message,
    /updates may not remove a condition of type "Approved"/,
  );
  const denied = { status: { conditions: [...done.body.status.conditions, { type: "Denied", status: "True" }] } };
  assert.match((await server.patch(`${requests}/r/approval`, denied)).body.message, /mutually exclusive/);
  assert.match(
    (await server.patch(`${requests}/r/status`, { status: { conditions: denied.status.conditions } })).body.message,
    /updates may not add a condition of type "Denied"/,
  );
  assert.equal((await server.patch(`${requests}/r/status`, issued)).code, 200);
  const other = { status: { certificate: btoa("other") } };
  assert.match(
    (await server.patch(`${requests}/r/status`, other)).body.message,
    /status.certificate: Forbidden: updates may not modify existing certificate content/,
  );
});

Deno.test("cluster-info is signed by each bootstrap token that may, as a detached JWS", async () => {
  await using server = await start();
  const controllers = startControllers(server);
  try {
    const stringData = { "token-id": "abcdef", "token-secret": "0123456789abcdef", "usage-bootstrap-signing": "true" };
    const type = "bootstrap.kubernetes.io/token";
    const name = "bootstrap-token-abcdef";
    await server.post("/api/v1/namespaces/kube-system/secrets", { metadata: { name }, type, stringData });
    const info = { metadata: { name: "cluster-info" }, data: { kubeconfig: "apiVersion: v1\n" } };
    await server.post("/api/v1/namespaces/kube-public/configmaps", info);
    const path = "/api/v1/namespaces/kube-public/configmaps/cluster-info";
    const signature = async () => (await server.get(path)).body.data["jws-kubeconfig-abcdef"];
    await until(server, "signed", async () => await signature() !== undefined);
    const [header, nothing, mac = ""] = (await signature()).split(".");
    assert.deepEqual([JSON.parse(atob(header)), nothing], [{ alg: "HS256", kid: "abcdef" }, ""]);
    const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
    const hmac = { name: "HMAC", hash: "SHA-256" };
    const key = await crypto.subtle.importKey("raw", bytes("0123456789abcdef"), hmac, false, ["verify"]);
    const content = btoa("apiVersion: v1\n").replace(/=+$/, "");
    const raw = bytes(atob(mac.replaceAll("-", "+").replaceAll("_", "/")));
    assert.ok(await crypto.subtle.verify("HMAC", key, raw, bytes(`${header}.${content}`)));
    await server.delete(`/api/v1/namespaces/kube-system/secrets/${name}`);
    await until(server, "unsigned", async () => await signature() === undefined);
  } finally {
    await controllers.stop();
  }
});
