import type { User } from "./user.ts";

/** Whom a bearer token stands for, and for which of the audiences that were asked for. */
export interface Proof {
  readonly user: User;
  readonly audiences: readonly string[];
}

/** The token is of this kind, and why it proves nothing (any more). */
export class TokenError extends Error {
  override readonly name = "TokenError";
}

/**
 * Null: the token is none of this kind, or proves nothing. @param audiences the token must be for one of them; kinds of
 * tokens that name none are for whoever asks @throws TokenError, or whatever kept it from finding out
 */
export type TokenAuthenticator = (token: string, audiences: readonly string[]) => Promise<Proof | null>;

/** The first that knows the token. One that fails is passed over when a later one knows it, else its failure is thrown. */
export function firstOf(authenticators: readonly TokenAuthenticator[]): TokenAuthenticator {
  return async (token, audiences) => {
    let failure: unknown;
    for (const authenticate of authenticators) {
      try {
        const proof = await authenticate(token, audiences);
        if (proof !== null) return proof;
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure !== undefined) throw failure;
    return null;
  };
}
