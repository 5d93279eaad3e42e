import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import type { CertificateRequest, SignRequest } from "../x509.ts";

/** PEM's outer lines: what Go's pem.Decode looks for. */
const requestPem = /-----BEGIN CERTIFICATE REQUEST-----([\s\S]*?)-----END CERTIFICATE REQUEST-----/;

const subjectAlternativeName = "2.5.29.17";

export async function readRequest(pem: string): Promise<CertificateRequest> {
  const request = parse(pem);
  let verified = false;
  try {
    verified = await request.verify();
  } catch {
    throw new Error("x509: cannot verify signature: algorithm unimplemented");
  }
  if (!verified) throw new Error("x509: signature of the certificate request does not verify");
  const names = alternativeNames(request);
  const of = (type: string) => names.filter((name) => name.type === type).map((name) => name.value);
  return {
    commonName: request.subjectName.getField("CN")[0] ?? "",
    organizations: request.subjectName.getField("O"),
    dnsNames: of("dns"),
    ipAddresses: of("ip"),
    emailAddresses: of("email"),
    uris: of("url"),
  };
}

export async function sign(
  authority: { readonly cert: string; readonly key: string },
  wanted: SignRequest,
): Promise<string> {
  const request = parse(wanted.requestPem);
  const issuer = new x509.X509Certificate(authority.cert);
  const names = alternativeNames(request);
  const signingKey = await authorityKey(authority.key);
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serialText(wanted.serial),
    subject: request.subjectName,
    issuer: issuer.subjectName,
    notBefore: new Date(wanted.notBefore),
    notAfter: new Date(Math.min(wanted.notAfter, issuer.notAfter.getTime())),
    publicKey: request.publicKey,
    signingKey: signingKey.key,
    signingAlgorithm: signingKey.algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      ...usageExtensions(wanted.usages),
      ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
      await x509.AuthorityKeyIdentifierExtension.create(issuer.publicKey),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

export function notAfter(pem: string): number | null {
  try {
    return new x509.X509Certificate(pem).notAfter.getTime();
  } catch {
    return null;
  }
}

function parse(pem: string): x509.Pkcs10CertificateRequest {
  const body = requestPem.exec(pem)?.[1];
  if (body === undefined) throw new Error("PEM block type must be CERTIFICATE REQUEST");
  try {
    const der = Uint8Array.from(atob(body.replace(/\s/g, "")), (letter) => letter.charCodeAt(0));
    return new x509.Pkcs10CertificateRequest(der);
  } catch {
    throw new Error("asn1: structure error: the certificate request cannot be read");
  }
}

function alternativeNames(request: x509.Pkcs10CertificateRequest): x509.JsonGeneralNames {
  const extension = request.extensions.find(({ type }) => type === subjectAlternativeName);
  if (extension === undefined) return [];
  return new x509.SubjectAlternativeNameExtension(extension.rawData).names.toJSON();
}

/** The key's own kind decides the algorithm. */
async function authorityKey(pem: string): Promise<{ key: CryptoKey; algorithm: { name: string; hash: string } }> {
  const der = x509.PemConverter.decodeFirst(pem);
  const ecdsa = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
  const rsa = { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  try {
    return { key: await crypto.subtle.importKey("pkcs8", der, ecdsa, false, ["sign"]), algorithm: ecdsa };
  } catch {
    return { key: await crypto.subtle.importKey("pkcs8", der, rsa, false, ["sign"]), algorithm: rsa };
  }
}

function serialText(bytes: Uint8Array): string {
  // RFC 5280 4.1.2.2: positive.
  return Array.from(bytes, (byte, at) => (at === 0 ? byte & 0x7f : byte).toString(16).padStart(2, "0")).join("");
}

const keyUsages: Readonly<Record<string, x509.KeyUsageFlags>> = {
  signing: x509.KeyUsageFlags.digitalSignature,
  "digital signature": x509.KeyUsageFlags.digitalSignature,
  "content commitment": x509.KeyUsageFlags.nonRepudiation,
  "key encipherment": x509.KeyUsageFlags.keyEncipherment,
  "key agreement": x509.KeyUsageFlags.keyAgreement,
  "data encipherment": x509.KeyUsageFlags.dataEncipherment,
  "cert sign": x509.KeyUsageFlags.keyCertSign,
  "crl sign": x509.KeyUsageFlags.cRLSign,
  "encipher only": x509.KeyUsageFlags.encipherOnly,
  "decipher only": x509.KeyUsageFlags.decipherOnly,
};

const pkix = "1.3.6.1.5.5.7.3";
const extendedKeyUsages: Readonly<Record<string, string>> = {
  any: "2.5.29.37.0",
  "server auth": `${pkix}.1`,
  "client auth": `${pkix}.2`,
  "code signing": `${pkix}.3`,
  "email protection": `${pkix}.4`,
  "s/mime": `${pkix}.4`,
  "ipsec end system": `${pkix}.5`,
  "ipsec tunnel": `${pkix}.6`,
  "ipsec user": `${pkix}.7`,
  timestamping: `${pkix}.8`,
  "ocsp signing": `${pkix}.9`,
  "microsoft sgc": "1.3.6.1.4.1.311.10.3.3",
  "netscape sgc": "2.16.840.1.113730.4.1",
};

function usageExtensions(usages: readonly string[]): x509.Extension[] {
  let flags = 0;
  for (const usage of usages) flags |= keyUsages[usage] ?? 0;
  const purposes = [...new Set(usages.flatMap((usage) => extendedKeyUsages[usage] ?? []))];
  return [
    ...(flags === 0 ? [] : [new x509.KeyUsagesExtension(flags, true)]),
    ...(purposes.length === 0 ? [] : [new x509.ExtendedKeyUsageExtension(purposes)]),
  ];
}
