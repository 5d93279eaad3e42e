import { invariant } from "../../base/assert.ts";
import {
  apiVersionOf,
  localSubjectAccessReviews,
  selfSubjectAccessReviews,
  selfSubjectReviews,
  selfSubjectRulesReviews,
  subjectAccessReviews,
  tokenReviews,
} from "../../api/resources.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Json } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import { respondValue } from "../registry/output.ts";
import { decodeRequest } from "../request_body.ts";
import type { ResourceRequest } from "../request_info.ts";
import { agree, fieldValidation, writeContext } from "../resource_handler.ts";
import { reviewAccess, reviewLocalAccess, reviewOwnAccess } from "./access.ts";
import { reviewSelf, reviewToken } from "./identity.ts";
import { reviewRules } from "./rules.ts";

/** POST of a question of authentication.k8s.io or authorization.k8s.io: the answer is its `status`. */
export async function handleReview(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const negotiated = agree(exchange, { shapes: false });
  writeContext(exchange);
  const object = decoded(exchange, request);
  const status = await answer(registry, exchange, request, object);
  const { kind: _kind, apiVersion: _version, metadata, ...rest } = object as KubeObject & Json;
  const review = { kind: request.info.kind, apiVersion: apiVersionOf(request.info), metadata: metadata ?? {} };
  return respondValue(201, { ...review, ...rest, status }, negotiated);
}

function decoded(exchange: Exchange, { info: { group, version, kind, type } }: ResourceRequest): KubeObject {
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const { object, warnings } = decodeRequest<KubeObject>(exchange.body, contentType, type, {
    fieldValidation: fieldValidation(exchange),
    expect: { group, version, kind },
  });
  exchange.warnings.push(...warnings);
  return object;
}

function answer(
  registry: Registry,
  { user }: Exchange,
  { info, namespace }: ResourceRequest,
  object: KubeObject,
): Json | Promise<Json> {
  switch (info) {
    case selfSubjectReviews:
      return reviewSelf(user);
    case tokenReviews:
      return reviewToken(registry, object);
    case selfSubjectRulesReviews:
      return reviewRules(registry, user, object);
    case selfSubjectAccessReviews:
      return reviewOwnAccess(registry, user, object);
    case subjectAccessReviews:
      return reviewAccess(registry, object);
    case localSubjectAccessReviews:
      return reviewLocalAccess(registry, namespace, object);
  }
  invariant(false, `${info.resource} is listed as a review and not answered`);
}
