import { subjectAccessReviews, tokenReviews } from "../api/resources.ts";
import type { SubjectAccessReview, TokenReview } from "../api/gen/types.ts";
import type { Clock, Log, PeerIdentity } from "../platform/mod.ts";
import * as limits from "./limits.ts";
import type { RestClient } from "./types.ts";

/** What is asked for, as a SubjectAccessReview names it. */
export type AccessAttributes = Pick<
  NonNullable<SubjectAccessReview["spec"]>,
  "nonResourceAttributes" | "resourceAttributes"
>;

export type Access =
  | { readonly allowed: true }
  | { readonly allowed: false; readonly status: 401 | 403 | 429 | 500; readonly message: string };

/** Lets a component that serves people leave to the API server who they are and what they may. */
export interface DelegatedAuth {
  /** @param peer the verified certificate @param what as text, for the refusal: `get path "/metrics"` */
  check(
    caller: { readonly request: Request; readonly peer: PeerIdentity | null },
    attributes: AccessAttributes,
    what: string,
  ): Promise<Access>;
}

export interface DelegatedAuthOptions {
  /** Whether whoever shows nothing is `system:anonymous`, whom a role may allow; else they are refused (401). */
  readonly anonymous: boolean;
}

interface User {
  readonly user: string;
  readonly uid?: string;
  readonly groups: readonly string[];
  readonly extra?: Record<string, string[]>;
}

type ReviewStatus = NonNullable<TokenReview["status"]>;

/**
 * As upstream's delegated authentication and authorization: a client certificate of the cluster's authority or a bearer
 * token (TokenReview) says who it is, a SubjectAccessReview whether they may. Answers are kept for ten seconds, a bounded
 * number of them; so many questions are under way at once, and whoever comes on top of that is told to come again.
 */
export function createDelegatedAuth(
  options: DelegatedAuthOptions,
  deps: { readonly client: RestClient; readonly clock: Clock; readonly log: Log },
): DelegatedAuth {
  const { client, clock, log } = deps;
  const users = new ShortMemory<User | null>(clock);
  const decisions = new ShortMemory<boolean>(clock);
  let asking = 0;

  async function whoHas(token: string): Promise<User | null> {
    const known = users.get(token);
    if (known !== undefined) return known;
    const review = await client.create<TokenReview>(tokenReviews, { spec: { token } });
    const user = review.status?.authenticated === true ? userOf(review.status) : null;
    users.set(token, user);
    return user;
  }

  async function mayThey(user: User, attributes: AccessAttributes): Promise<boolean> {
    const key = JSON.stringify([user, attributes]);
    const known = decisions.get(key);
    if (known !== undefined) return known;
    // What is empty is left out, as Go's types do.
    const { groups, ...who } = user;
    const spec = { ...who, ...(groups.length > 0 ? { groups: [...groups] } : {}), ...attributes };
    const review = await client.create<SubjectAccessReview>(subjectAccessReviews, { spec });
    const allowed = review.status?.allowed === true;
    decisions.set(key, allowed);
    return allowed;
  }

  async function identify(request: Request, peer: PeerIdentity | null): Promise<User | null> {
    if (peer !== null) return { user: peer.commonName, groups: [...peer.organizations, "system:authenticated"] };
    const token = /^Bearer\s+(\S+)$/i.exec(request.headers.get("authorization") ?? "")?.[1];
    if (token !== undefined) return await whoHas(token);
    return options.anonymous ? { user: "system:anonymous", groups: ["system:unauthenticated"] } : null;
  }

  return {
    async check({ request, peer }, attributes, what) {
      if (asking >= limits.maxAccessReviews) return { allowed: false, status: 429, message: "Too many requests" };
      asking++;
      try {
        const user = await identify(request, peer);
        if (user === null) return { allowed: false, status: 401, message: "Unauthorized" };
        if (await mayThey(user, attributes)) return { allowed: true };
        return { allowed: false, status: 403, message: `forbidden: User "${user.user}" cannot ${what}` };
      } catch (error) {
        log.warn("cannot ask the API server who may what", { error: String(error) });
        return { allowed: false, status: 500, message: "Internal Server Error" };
      } finally {
        asking--;
      }
    },
  };
}

function userOf({ user }: ReviewStatus): User {
  return {
    user: user?.username ?? "",
    ...(user?.uid === undefined || user.uid === "" ? {} : { uid: user.uid }),
    groups: user?.groups ?? [],
    ...(Object.keys(user?.extra ?? {}).length > 0 ? { extra: user?.extra ?? {} } : {}),
  };
}

/** The newest answers, each for a while. */
class ShortMemory<T> {
  readonly #clock: Clock;
  /** In the order in which they were learnt. */
  readonly #known = new Map<string, { readonly value: T; readonly until: number }>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get(key: string): T | undefined {
    const entry = this.#known.get(key);
    if (entry === undefined) return undefined;
    if (entry.until > this.#clock.monotonic()) return entry.value;
    this.#known.delete(key);
    return undefined;
  }

  set(key: string, value: T): void {
    this.#known.delete(key);
    this.#known.set(key, { value, until: this.#clock.monotonic() + limits.accessAnswerMs });
    if (this.#known.size <= limits.maxAccessAnswers) return;
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest);
      return;
    }
  }
}
