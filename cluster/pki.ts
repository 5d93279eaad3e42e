import "reflect-metadata";
import * as x509 from "@peculiar/x509";

/** A PEM certificate and its PKCS#8 key. */
export interface KeyPair {
  readonly cert: string;
  readonly key: string;
}

export interface CertificateAuthority extends KeyPair {
  /** Issues a leaf valid for {@linkcode leafValidityDays}. */
  issue(request: LeafRequest): Promise<KeyPair>;
}

export interface LeafRequest {
  readonly commonName: string;
  readonly organizations?: readonly string[];
  /** Subject alternative names; a name made of digits and dots is an IP address. */
  readonly names?: readonly string[];
  readonly usage: "client" | "server" | "both";
}

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
const caValidityDays = 3650;
const leafValidityDays = 365;
const dayMs = 86_400_000;
/** Machines in one room disagree by seconds; a certificate must not be "not yet valid" on the slower one. */
const backdateMs = 300_000;

function pem(label: string, der: ArrayBuffer): string {
  const base64 = btoa(String.fromCharCode(...new Uint8Array(der)));
  return `-----BEGIN ${label}-----\n${base64.replace(/(.{64})/g, "$1\n").trimEnd()}\n-----END ${label}-----\n`;
}

async function newKey(): Promise<{ pair: CryptoKeyPair; pem: string }> {
  const pair = await crypto.subtle.generateKey(algorithm, true, ["sign", "verify"]) as CryptoKeyPair;
  return { pair, pem: pem("PRIVATE KEY", await crypto.subtle.exportKey("pkcs8", pair.privateKey)) };
}

function serialNumber(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[0] = (bytes[0] as number) & 0x7f; // RFC 5280 4.1.2.2: positive
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

function subjectOf(commonName: string, organizations: readonly string[] = []): x509.JsonName {
  return [...organizations.map((organization) => ({ O: [organization] })), { CN: [commonName] }];
}

function authority(cert: string, keyPem: string, caCert: x509.X509Certificate, caKey: CryptoKey): CertificateAuthority {
  return {
    cert,
    key: keyPem,
    async issue(request) {
      const leaf = await newKey();
      const usages = [
        ...(request.usage !== "client" ? [x509.ExtendedKeyUsage.serverAuth] : []),
        ...(request.usage !== "server" ? [x509.ExtendedKeyUsage.clientAuth] : []),
      ];
      const names = (request.names ?? []).map((value): x509.JsonGeneralName => ({
        type: /^[0-9.]+$/.test(value) ? "ip" : "dns",
        value,
      }));
      const certificate = await x509.X509CertificateGenerator.create({
        serialNumber: serialNumber(),
        subject: subjectOf(request.commonName, request.organizations),
        issuer: caCert.subject,
        notBefore: new Date(Date.now() - backdateMs),
        notAfter: new Date(Date.now() + leafValidityDays * dayMs),
        publicKey: leaf.pair.publicKey,
        signingKey: caKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension(usages),
          ...(names.length > 0 ? [new x509.SubjectAlternativeNameExtension(names)] : []),
          await x509.AuthorityKeyIdentifierExtension.create(caCert.publicKey),
        ],
      });
      return { cert: certificate.toString("pem") + "\n", key: leaf.pem };
    },
  };
}

/** An authority made earlier, from its PEM files. */
export async function loadAuthority({ cert, key }: KeyPair): Promise<CertificateAuthority> {
  const der = Uint8Array.fromBase64(key.replace(/-----[^-]+-----|\s/g, ""));
  const caKey = await crypto.subtle.importKey("pkcs8", der, algorithm, false, ["sign"]);
  return authority(cert, key, new x509.X509Certificate(cert), caKey);
}

/** A new self-signed certificate authority (ECDSA P-256). */
export async function createAuthority(commonName: string): Promise<CertificateAuthority> {
  const { pair, pem: keyPem } = await newKey();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(),
    name: subjectOf(commonName),
    notBefore: new Date(Date.now() - backdateMs),
    notAfter: new Date(Date.now() + caValidityDays * dayMs),
    keys: pair,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign | x509.KeyUsageFlags.digitalSignature,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(pair.publicKey),
    ],
  });
  return authority(certificate.toString("pem") + "\n", keyPem, certificate, pair.privateKey);
}

/** The key pair that signs ServiceAccount tokens (ES256): PKCS#8 and SPKI, PEM. */
export async function createSigningKey(): Promise<{ privateKey: string; publicKey: string }> {
  const { pair, pem: privateKey } = await newKey();
  return { privateKey, publicKey: pem("PUBLIC KEY", await crypto.subtle.exportKey("spki", pair.publicKey)) };
}
