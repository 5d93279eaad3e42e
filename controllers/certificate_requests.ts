import { decodeBase64, encodeBase64 } from "../api/base64.ts";
import type { CertificateSigningRequest } from "../api/gen/types.ts";
import type { KubeObject } from "../api/meta.ts";
import { certificateSigningRequests, subjectAccessReviews } from "../api/resources.ts";
import { formatTime } from "../api/time.ts";
import { fromUtf8, utf8 } from "../base/bytes.ts";
import { keyOf, type RestClient } from "../client/mod.ts";
import type { Certificates, Random } from "../platform/mod.ts";
import type { Action } from "./core/action.ts";
import {
  type AutoApproval,
  autoApprovals,
  lifetime,
  phaseOf,
  signerProblem,
  validity,
} from "./core/certificate_request.ts";
import type { Informers } from "./informers.ts";
import * as limits from "./limits.ts";
import type { Controller, Turn } from "./runner.ts";

export interface Signing {
  readonly certificates: Certificates;
  /** The cluster's certificate authority, PEM. */
  readonly authority: { readonly cert: string; readonly key: string };
}

type Request = Readonly<CertificateSigningRequest>;

/** Approves kubelets' requests for client certificates, signs what is approved, and clears away what is settled. */
export function certificateRequestController(
  { certificateSigningRequests: requests }: Informers,
  client: RestClient,
  random: Pick<Random, "bytes">,
  { certificates, authority }: Signing,
): Controller {
  async function approve(request: Request): Promise<Action | null> {
    const subject = await certificates.readRequest(requestPem(request));
    for (const approval of autoApprovals(request, subject)) {
      if (await isAllowed(client, request, approval)) return condition(request, "approval", approved(approval));
    }
    return null;
  }

  async function signed(request: Request, now: number): Promise<Action | null> {
    const pem = requestPem(request);
    const problem = signerProblem(request, await certificates.readRequest(pem));
    if (problem === undefined) return null;
    if (problem !== null) return condition(request, "status", failed(problem, now));
    const certificate = await certificates.sign(authority, {
      requestPem: pem,
      usages: request.spec.usages ?? [],
      serial: random.bytes(16),
      ...validity(now, request.spec.expirationSeconds),
    });
    return patch(request, "status", { certificate: encodeBase64(utf8(certificate)) });
  }

  async function step(request: Request, turn: Turn): Promise<Action | null> {
    switch (phaseOf(request)) {
      case "pending":
        return await approve(request);
      case "approved":
        return await signed(request, turn.now);
      default:
        return null;
    }
  }

  return {
    name: "certificatesigningrequest",
    queueName: "certificate",
    keys: () => requests.list().map(keyOf),
    subscribe(enqueue) {
      requests.subscribe({
        added: (request) => enqueue(keyOf(request)),
        updated: (_, request) => enqueue(keyOf(request)),
      });
    },
    async sync(key, turn) {
      const request = requests.get(key);
      if (request === undefined) return;
      const action = await step(request, turn);
      if (action !== null) return await turn.carryOut({ actions: [action] });
      const { certificate = "" } = request.status ?? {};
      const notAfter = certificate === "" ? null : await certificates.notAfter(text(certificate));
      const { over, wakeAfterMs = 0 } = lifetime(request, notAfter, turn.now);
      await turn.carryOut(
        over
          ? { actions: [{ kind: "delete", info: certificateSigningRequests, objects: [request] }] }
          : { actions: [], wakeAfterMs: Math.min(wakeAfterMs, limits.requestLookMs) },
      );
    },
  };
}

function text(base64: string): string {
  return fromUtf8(decodeBase64(base64) ?? new Uint8Array(0));
}

function requestPem({ spec }: Request): string {
  return text(spec.request);
}

async function isAllowed(client: RestClient, { spec }: Request, { subresource }: AutoApproval): Promise<boolean> {
  const review: KubeObject & { spec: unknown } = {
    metadata: {},
    spec: {
      user: spec.username ?? "",
      groups: spec.groups ?? [],
      ...(spec.uid === undefined ? {} : { uid: spec.uid }),
      ...(spec.extra === undefined ? {} : { extra: spec.extra }),
      resourceAttributes: {
        group: certificateSigningRequests.group,
        resource: certificateSigningRequests.resource,
        verb: "create",
        subresource,
      },
    },
  };
  const answer: KubeObject & { status?: { allowed?: boolean } } = await client.create(subjectAccessReviews, review);
  return answer.status?.allowed === true;
}

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
  readonly lastUpdateTime?: string;
}

function approved({ message }: AutoApproval): Condition {
  return { type: "Approved", status: "True", reason: "AutoApproved", message };
}

function failed(message: string, now: number): Condition {
  return {
    type: "Failed",
    status: "True",
    reason: "SignerValidationFailure",
    message,
    lastUpdateTime: formatTime(now),
  };
}

function condition(request: Request, subresource: "approval" | "status", added: Condition): Action {
  return patch(request, subresource, { conditions: [...request.status?.conditions ?? [], added] });
}

function patch(request: Request, subresource: "approval" | "status", status: Record<string, unknown>): Action {
  return { kind: "patch", info: certificateSigningRequests, object: request, subresource, patch: { status } };
}
