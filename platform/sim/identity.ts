import type { PeerIdentity, TlsIdentity } from "../mod.ts";

/**
 * Certificates of the simulated world: texts in the place of PEM that say who signed what. Real ones would need
 * cryptography that runs off the main thread and finishes in an order no seed decides.
 */
export interface SimAuthority {
  readonly ca: string;
  issue(commonName: string, organizations?: readonly string[]): TlsIdentity;
}

export function createSimAuthority(name: string): SimAuthority {
  const ca = `SIMULATED CA ${name}`;
  return {
    ca,
    issue(commonName, organizations = []) {
      const cert = JSON.stringify({ simulatedCertificate: true, ca, commonName, organizations });
      return { cert, key: `SIMULATED KEY ${commonName}`, ca };
    },
  };
}

interface SimCertificate {
  readonly ca: string;
  readonly peer: PeerIdentity;
}

/** Null for anything that {@linkcode createSimAuthority} did not make. */
export function readSimCertificate(cert: string): SimCertificate | null {
  if (!cert.startsWith(`{"simulatedCertificate":true`)) return null;
  const read: unknown = JSON.parse(cert);
  if (typeof read !== "object" || read === null || !("ca" in read && "commonName" in read)) return null;
  if (typeof read.ca !== "string" || typeof read.commonName !== "string") return null;
  const listed: unknown = "organizations" in read ? read.organizations : [];
  const organizations = Array.isArray(listed) ? listed.filter((item) => typeof item === "string") : [];
  return { ca: read.ca, peer: { commonName: read.commonName, organizations } };
}
