/** What a PKCS#10 request asks for, once its signature was found good. */
export interface CertificateRequest {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

export interface SignRequest {
  readonly requestPem: string;
  /** `digital signature`, `client auth`, ...: certificates.k8s.io's names. */
  readonly usages: readonly string[];
  /** Milliseconds since 1970. */
  readonly notBefore: number;
  /** The same; never later than the authority's own. */
  readonly notAfter: number;
  /** The serial number, positive. */
  readonly serial: Uint8Array;
}

/** X.509 (RFC 5280) and PKCS#10 (RFC 2986), as far as certificates.k8s.io needs them. */
export interface Certificates {
  /** @throws Error with Go's words when it cannot be read, or was not signed with its own key */
  readRequest(pem: string): Promise<CertificateRequest>;
  /** A certificate for the request's key, subject and alternative names; PEM. */
  sign(authority: { readonly cert: string; readonly key: string }, request: SignRequest): Promise<string>;
  /** When a certificate ends, milliseconds since 1970; null when it cannot be read. */
  notAfter(pem: string): Promise<number | null>;
}
