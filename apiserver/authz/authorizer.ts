import type { ResourceInfo } from "../../api/resources.ts";
import type { Timers } from "../../platform/mod.ts";
import type { User } from "../authn/user.ts";
import { limits } from "../limits.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import type { Attributes } from "./attributes.ts";
import { decide, type Decision } from "./decide.ts";
import type { NodeView } from "./node.ts";
import { nodeView } from "./node_view.ts";
import { PolicyView } from "./policy_view.ts";
import type { Policy } from "./rbac.ts";

export interface AuthorizerDeps {
  readonly cacheOf: (info: ResourceInfo) => ResourceCache;
  readonly synced: () => boolean;
  readonly timers: Timers;
}

/** Decides from the watch cache. Until the default roles are there, a refusal by role means nothing yet. */
export class Authorizer {
  readonly #view: NodeView;
  readonly #roles: PolicyView;
  readonly #timers: Timers;
  #loaded = false;
  #waiting: ((loaded: boolean) => void)[] = [];

  constructor(deps: AuthorizerDeps) {
    this.#view = nodeView(deps.cacheOf);
    this.#roles = new PolicyView(deps.cacheOf, deps.synced);
    this.#timers = deps.timers;
  }

  get policy(): Policy {
    return this.#roles.policy;
  }

  decide(user: User, it: Attributes): Decision {
    return decide(user, it, this.#view, this.policy);
  }

  /** Called once, when the cache has the default roles. */
  setLoaded(): void {
    this.#loaded = true;
    for (const resolve of this.#waiting.splice(0)) resolve(true);
  }

  /** Whether the roles are loaded, waiting for them a while. */
  whenLoaded(): Promise<boolean> {
    if (this.#loaded) return Promise.resolve(true);
    return new Promise((resolve) => {
      const done = (loaded: boolean) => {
        timer.cancel();
        resolve(loaded);
      };
      const timer = this.#timers.schedule(limits.policyWaitMs, () => {
        this.#waiting = this.#waiting.filter((it) => it !== done);
        resolve(false);
      });
      this.#waiting.push(done);
    });
  }

  /** Lets those go who wait. */
  stop(): void {
    for (const resolve of this.#waiting.splice(0)) resolve(false);
  }
}
