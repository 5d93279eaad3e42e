/**
 * CertificateSigningRequests: which may be approved unasked, what each of Kubernetes's signers signs, and when a request
 * has lain long enough. @see kubernetes pkg/controller/certificates
 */
import type { CertificateSigningRequest } from "../../api/gen/types.ts";
import { parseTime } from "../../api/time.ts";
import * as limits from "../limits.ts";
import { sooner } from "./action.ts";

export const clientSigner = "kubernetes.io/kube-apiserver-client";
export const kubeletClientSigner = "kubernetes.io/kube-apiserver-client-kubelet";
export const kubeletServingSigner = "kubernetes.io/kubelet-serving";

/** What a PKCS#10 request says of its subject. */
export interface Subject {
  readonly commonName: string;
  readonly organizations: readonly string[];
  readonly dnsNames: readonly string[];
  readonly ipAddresses: readonly string[];
  readonly emailAddresses: readonly string[];
  readonly uris: readonly string[];
}

export type Phase = "pending" | "approved" | "denied" | "failed" | "issued";

export function phaseOf({ status }: Readonly<CertificateSigningRequest>): Phase {
  if ((status?.certificate ?? "") !== "") return "issued";
  const has = (type: string) => (status?.conditions ?? []).some((it) => it.type === type && it.status === "True");
  if (has("Failed")) return "failed";
  if (has("Denied")) return "denied";
  return has("Approved") ? "approved" : "pending";
}

/** A right that, where the requester has it, has the request approved without anybody. */
export interface AutoApproval {
  /** Of certificatesigningrequests; the verb is `create`. */
  readonly subresource: "selfnodeclient" | "nodeclient";
  readonly message: string;
}

export function autoApprovals({ spec }: Readonly<CertificateSigningRequest>, subject: Subject): AutoApproval[] {
  if (spec.signerName !== kubeletClientSigner) return [];
  if (kubeletClientProblem(subject, spec.usages ?? []) !== null) return [];
  const self: AutoApproval = {
    subresource: "selfnodeclient",
    message: "Auto approving self kubelet client certificate after SubjectAccessReview.",
  };
  const other: AutoApproval = {
    subresource: "nodeclient",
    message: "Auto approving kubelet client certificate after SubjectAccessReview.",
  };
  return spec.username === subject.commonName ? [self, other] : [other];
}

/** Why the request's signer will not sign it; null: it will; undefined: it is nobody's here. */
export function signerProblem(
  { spec }: Readonly<CertificateSigningRequest>,
  subject: Subject,
): string | null | undefined {
  const usages = spec.usages ?? [];
  switch (spec.signerName) {
    case clientSigner:
      return clientProblem(usages);
    case kubeletClientSigner:
      return kubeletClientProblem(subject, usages);
    case kubeletServingSigner:
      return kubeletServingProblem(subject, usages);
    default:
      return undefined;
  }
}

function clientProblem(usages: readonly string[]): string | null {
  const optional = ["digital signature", "key encipherment", "client auth"];
  const other = usages.find((usage) => !optional.includes(usage));
  if (other !== undefined) return `invalid usage for client certificate: ${other}`;
  return usages.includes("client auth") ? null : "missing required usage for client certificate: client auth";
}

function kubeletClientProblem(subject: Subject, usages: readonly string[]): string | null {
  if (!isOfNodes(subject)) return "subject organization is not system:nodes";
  if (subject.dnsNames.length > 0) return "DNS subjectAltNames are not allowed";
  if (subject.emailAddresses.length > 0) return "Email subjectAltNames are not allowed";
  if (subject.ipAddresses.length > 0) return "IP subjectAltNames are not allowed";
  if (subject.uris.length > 0) return "URI subjectAltNames are not allowed";
  if (!isNodeName(subject)) return "subject common name does not begin with system:node:";
  return usagesProblem(usages, "client auth");
}

function kubeletServingProblem(subject: Subject, usages: readonly string[]): string | null {
  if (!isOfNodes(subject)) return "subject organization is not system:nodes";
  if (subject.dnsNames.length + subject.ipAddresses.length === 0) return "DNS or IP subjectAltName is required";
  if (subject.emailAddresses.length > 0) return "Email subjectAltNames are not allowed";
  if (subject.uris.length > 0) return "URI subjectAltNames are not allowed";
  const problem = usagesProblem(usages, "server auth");
  if (problem !== null) return problem;
  return isNodeName(subject) ? null : "subject common name does not begin with system:node:";
}

function isOfNodes({ organizations }: Subject): boolean {
  return organizations.length === 1 && organizations[0] === "system:nodes";
}

function isNodeName({ commonName }: Subject): boolean {
  return commonName.startsWith("system:node:");
}

/** Key encipherment is for RSA keys alone, so it may be missing. */
function usagesProblem(usages: readonly string[], purpose: string): string | null {
  const wanted = [purpose, "digital signature", "key encipherment"].sort();
  const given = new Set(usages);
  const stray = [...given].some((usage) => !wanted.includes(usage));
  if (!stray && given.has(purpose) && given.has("digital signature")) return null;
  return `usages did not match [${wanted.join(" ")}]`;
}

/**
 * A short-lived certificate gets its whole time; a long-lived one loses the minutes that it is dated back.
 * @param now ms since the epoch
 */
export function validity(now: number, expirationSeconds: number | undefined): { notBefore: number; notAfter: number } {
  const asked = expirationSeconds === undefined ? limits.certificateTtlMs : expirationSeconds * 1000;
  const ttl = Math.min(Math.max(asked, limits.certificateTtlMinMs), limits.certificateTtlMs);
  const isShort = ttl < limits.certificateShortMs;
  return {
    notBefore: now - limits.certificateBackdateMs,
    notAfter: now + ttl - (isShort ? 0 : limits.certificateBackdateMs),
  };
}

/**
 * Whether the request has lain long enough, and when to look again if not.
 * @param notAfter when its certificate ends, ms since the epoch; null: there is none
 */
export function lifetime(
  request: Readonly<CertificateSigningRequest>,
  notAfter: number | null,
  now: number,
): { readonly over: boolean; readonly wakeAfterMs: number | undefined } {
  const phase = phaseOf(request);
  const created = parseTime(request.metadata?.creationTimestamp ?? "") ?? now;
  const settled = (request.status?.conditions ?? [])
    .map((condition) => parseTime(condition.lastUpdateTime ?? condition.lastTransitionTime ?? ""))
    .reduce<number>((latest, at) => Math.max(latest, at ?? 0), created);
  const end = phase === "pending" ? created + limits.pendingRequestMs : settled + limits.settledRequestMs;
  const left = sooner(end - now, notAfter === null ? undefined : notAfter - now) ?? 0;
  return left <= 0 ? { over: true, wakeAfterMs: undefined } : { over: false, wakeAfterMs: left };
}
