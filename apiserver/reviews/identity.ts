import type { KubeObject } from "../../api/meta.ts";
import { badRequest } from "../../api/status.ts";
import { type User, userInfo } from "../authn/user.ts";
import { dig, type Json, text, texts } from "../dig.ts";
import type { Registry } from "../registry/context.ts";

/** SelfSubjectReview: who am I? (`kubectl auth whoami`) */
export function reviewSelf(user: User): Json {
  return { userInfo: userInfo(user) };
}

/** TokenReview: whose token is this, for one of these audiences? */
export async function reviewToken(registry: Registry, review: KubeObject): Promise<Json> {
  const token = text(dig(review, "spec", "token"));
  if (token === "") throw badRequest("token is required for TokenReview in authentication");
  const asked = texts(dig(review, "spec", "audiences"));
  const audiences = asked.length > 0 ? asked : [registry.tokens.issuer];
  let proof;
  try {
    proof = await registry.authenticateToken(token, audiences);
  } catch (error) {
    return { user: {}, error: error instanceof Error ? error.message : String(error) };
  }
  if (proof === null) return { user: {}, error: "invalid bearer token" };
  return { authenticated: true, user: userInfo(proof.user), audiences: [...proof.audiences] };
}
