import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { TlsIdentity } from "../mod.ts";

/** For tests: a certificate authority that issues leaves for 127.0.0.1 and `names`, good for both ends. */
export interface TestAuthority {
  readonly ca: string;
  issue(commonName: string, options?: { organizations?: string[]; names?: string[] }): Promise<TlsIdentity>;
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const dayMs = 86_400_000;

async function newKeys(): Promise<CryptoKeyPair> {
  return await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair; // ECDSA makes pairs
}

function validity(): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(Date.now() - dayMs), notAfter: new Date(Date.now() + dayMs) };
}

export async function createTestAuthority(name: string): Promise<TestAuthority> {
  const keys = await newKeys();
  const authority = await x509.X509CertificateGenerator.createSelfSigned({
    ...validity(),
    serialNumber: "01",
    name: [{ CN: [name] }],
    keys,
    signingAlgorithm: algorithm,
    extensions: [new x509.BasicConstraintsExtension(true, undefined, true)],
  });
  let serial = 1;
  return {
    ca: authority.toString("pem"),
    async issue(commonName, options = {}) {
      const leaf = await newKeys();
      const dnsNames = (options.names ?? []).map((value): x509.JsonGeneralName => ({ type: "dns", value }));
      const certificate = await x509.X509CertificateGenerator.create({
        ...validity(),
        serialNumber: (++serial).toString(16).padStart(2, "0"),
        subject: [...(options.organizations ?? []).map((value) => ({ O: [value] })), { CN: [commonName] }],
        issuer: authority.subject,
        publicKey: leaf.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth, x509.ExtendedKeyUsage.clientAuth]),
          new x509.SubjectAlternativeNameExtension([{ type: "ip", value: "127.0.0.1" }, ...dnsNames]),
        ],
      });
      const der = new Uint8Array(await crypto.subtle.exportKey("pkcs8", leaf.privateKey));
      const key = `-----BEGIN PRIVATE KEY-----\n${btoa(String.fromCharCode(...der))}\n-----END PRIVATE KEY-----\n`;
      return { cert: certificate.toString("pem"), key, ca: authority.toString("pem") };
    },
  };
}
