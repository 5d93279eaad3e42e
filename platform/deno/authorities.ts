import { X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { maxChainLength } from "../limits.ts";
import { NetworkError, type PeerIdentity } from "../mod.ts";
import { peerOf } from "./tls_server.ts";

/** Whom a verified client certificate stands for, by the authority that signed it: at most one is not null. */
export interface Identified {
  readonly peer: PeerIdentity | null;
  readonly proxyPeer: PeerIdentity | null;
}

const nobody: Identified = { peer: null, proxyPeer: null };

/**
 * Tells two authorities' clients apart. TLS says that one of all trusted roots vouches for a certificate, not which
 * one, and names can be alike: so the signatures are checked once more, here, against the roots of each. A proxy's
 * certificate is signed by a root of `proxyCa` itself; what both vouch for, or neither can be shown to, is nobody.
 * @throws NetworkError when the two have a root in common: then each of its clients would be both
 */
export function identifyBy(ca: string, proxyCa: string): (socket: TLSSocket) => Identified {
  const [roots, proxyRoots] = [certificatesOf(ca), certificatesOf(proxyCa)];
  const known = new Set(roots.map(({ fingerprint256 }) => fingerprint256));
  if (proxyRoots.some(({ fingerprint256 }) => known.has(fingerprint256))) {
    throw new NetworkError("The front proxy's authority must not be the clients' authority");
  }
  return (socket) => {
    const peer = peerOf(socket);
    if (peer === null) return nobody;
    const chain = chainOf(socket);
    const [leaf] = chain;
    const isProxy = leaf !== undefined && isIssuedBy(leaf, proxyRoots);
    if (isProxy === leadsTo(chain, roots)) return nobody;
    return isProxy ? { peer: null, proxyPeer: peer } : { peer, proxyPeer: null };
  };
}

function certificatesOf(pem: string): X509Certificate[] {
  const found = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return found.map((text) => new X509Certificate(text));
}

/** The client's certificate first, then each one's issuer, as far as they were sent. */
function chainOf(socket: TLSSocket): X509Certificate[] {
  const chain: X509Certificate[] = [];
  let next: unknown = socket.getPeerCertificate(true);
  while (typeof next === "object" && next !== null && "raw" in next && chain.length < maxChainLength) {
    if (!(next.raw instanceof Uint8Array)) break;
    chain.push(new X509Certificate(next.raw));
    const issuer: unknown = "issuerCertificate" in next ? next.issuerCertificate : null;
    if (issuer === next) break;
    next = issuer;
  }
  return chain;
}

function isIssuedBy(certificate: X509Certificate, issuers: readonly X509Certificate[]): boolean {
  return issuers.some((issuer) => certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
}

function leadsTo(chain: readonly X509Certificate[], roots: readonly X509Certificate[]): boolean {
  for (const [i, certificate] of chain.entries()) {
    if (isIssuedBy(certificate, roots)) return true;
    const issuer = chain[i + 1];
    if (issuer === undefined || !issuer.ca || !isIssuedBy(certificate, [issuer])) return false;
  }
  return false;
}
