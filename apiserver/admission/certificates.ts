import { decodeBase64 } from "../../api/base64.ts";
import { invalid as invalidField } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { certificateSigningRequests } from "../../api/resources.ts";
import { forbidden, invalid } from "../../api/status.ts";
import type { CertificateRequest } from "../../platform/mod.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import type { User } from "../authn/user.ts";
import { attributesOn } from "../authz/attributes.ts";
import type { Authorizer } from "../authz/authorizer.ts";
import { superusers } from "../authz/decide.ts";
import { dig, record, text } from "../dig.ts";
import { equalJson } from "../equal.ts";
import type { Registry } from "../registry/context.ts";

const clientSigner = "kubernetes.io/kube-apiserver-client";

/**
 * A new CertificateSigningRequest: who asks is written by the server, the PKCS#10 request must be signed with its own
 * key, and nobody is certified to be a superuser (CertificateSubjectRestriction). @throws ApiError 403, 422
 */
export async function admitSigningRequest(registry: Registry, user: User, object: KubeObject): Promise<void> {
  const spec = record(dig(object, "spec"));
  const { username: _name, uid: _uid, groups: _groups, extra: _extra, ...rest } = spec;
  Object.assign(object, { spec: { ...rest, ...requester(user) } });
  const name = object.metadata?.name ?? "";
  const encoded = text(spec["request"]);
  // What is missing is for validation to say.
  if (encoded === "" || registry.certificates === undefined) return;
  let request: CertificateRequest;
  try {
    request = await registry.certificates.readRequest(fromUtf8(decodeBase64(encoded) ?? new Uint8Array(0)));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw invalid(certificateSigningRequests, name, [invalidField("spec.request", encoded, why)]);
  }
  if (!registry.admits("CertificateSubjectRestriction")) return;
  if (text(spec["signerName"]) === clientSigner && request.organizations.includes(superusers)) {
    const why = `use of ${clientSigner} signer with ${superusers} group is not allowed`;
    throw forbidden(certificateSigningRequests, name, why);
  }
}

function requester({ name, uid, groups, extra }: User): Record<string, unknown> {
  return {
    username: name,
    ...(uid === "" ? {} : { uid }),
    groups: [...groups],
    ...(extra === undefined || Object.keys(extra).length === 0 ? {} : { extra: structuredClone(extra) }),
  };
}

/**
 * Verdicts are for those who may `approve` for the signer, certificates for those who may `sign` for it
 * (CertificateApproval, CertificateSigning). @throws ApiError 403
 */
export function admitSigningVerdict(
  { authorizer, admits }: Pick<Registry, "authorizer" | "admits">,
  user: User,
  subresource: string,
  object: KubeObject,
  old: KubeObject,
): void {
  if (subresource === "approval" && admits("CertificateApproval")) requireSigner(authorizer, user, "approve", old);
  if (subresource !== "status" || !admits("CertificateSigning")) return;
  const part = (of: KubeObject) => [dig(of, "status", "certificate") ?? "", dig(of, "status", "conditions") ?? []];
  if (!equalJson(part(object), part(old))) requireSigner(authorizer, user, "sign", old);
}

function requireSigner(authorizer: Authorizer, user: User, verb: "approve" | "sign", old: KubeObject): void {
  const signer = text(dig(old, "spec", "signerName"));
  const domain = signer.split("/")[0] ?? "";
  const signers = { group: "certificates.k8s.io", resource: "signers" };
  const may = (name: string) => authorizer.decide(user, attributesOn(verb, signers, "", name)).allowed;
  if (may(signer) || may(`${domain}/*`)) return;
  const why = `user not permitted to ${verb} requests with signerName ${JSON.stringify(signer)}`;
  throw forbidden(certificateSigningRequests, old.metadata?.name ?? "", why);
}
