import { clusterRoleBindings, clusterRoles, type ResourceInfo, roleBindings, roles } from "../../api/resources.ts";
import { type CachedObject, parseCached } from "../watchcache/cached.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import { bindingOf, rulesOf } from "./policy_objects.ts";
import type { PolicyRule } from "./policy_rule.ts";
import {
  type Binding,
  type BindingIndex,
  byNamespaceAndName,
  emptyPolicy,
  indexBindings,
  type Policy,
} from "./rbac.ts";
import type { RuleTable } from "./rbac.ts";

/**
 * The watch cache's roles and bindings, ready for decisions. A part is made anew when one of its objects has changed,
 * and each object is parsed once a change. While the cache loads, what was known before still holds.
 */
export class PolicyView {
  readonly #synced: () => boolean;
  readonly #roles: Part<readonly PolicyRule[], RuleTable>;
  readonly #clusterRoles: Part<readonly PolicyRule[], RuleTable>;
  readonly #roleBindings: Part<Binding, BindingIndex>;
  readonly #clusterRoleBindings: Part<Binding, BindingIndex>;
  #policy = emptyPolicy;

  constructor(cacheOf: (info: ResourceInfo) => ResourceCache, synced: () => boolean) {
    this.#synced = synced;
    const index = (all: Iterable<readonly [CachedObject, Binding]>) =>
      indexBindings([...all].map(([, binding]) => binding).sort(byNamespaceAndName));
    const table =
      (keyOf: (object: CachedObject) => string) => (all: Iterable<readonly [CachedObject, readonly PolicyRule[]]>) =>
        new Map([...all].map(([object, rules]) => [keyOf(object), rules]));
    this.#roles = new Part<readonly PolicyRule[], RuleTable>(
      cacheOf(roles),
      rulesOf,
      table((it) => `${it.namespace}/${it.name}`),
    );
    this.#clusterRoles = new Part<readonly PolicyRule[], RuleTable>(
      cacheOf(clusterRoles),
      rulesOf,
      table((it) => it.name),
    );
    this.#roleBindings = new Part(cacheOf(roleBindings), bindingOf, index);
    this.#clusterRoleBindings = new Part(cacheOf(clusterRoleBindings), bindingOf, index);
  }

  get policy(): Policy {
    if (this.#synced()) {
      const roles = this.#roles.current();
      const clusterRoles = this.#clusterRoles.current();
      const roleBindings = this.#roleBindings.current();
      const clusterRoleBindings = this.#clusterRoleBindings.current();
      const known = this.#policy;
      const changed = roles !== known.roles || clusterRoles !== known.clusterRoles ||
        roleBindings !== known.roleBindings || clusterRoleBindings !== known.clusterRoleBindings;
      if (changed) this.#policy = { roles, clusterRoles, roleBindings, clusterRoleBindings };
    }
    return this.#policy;
  }
}

/** What is derived from one resource's objects. */
class Part<Parsed, Derived> {
  readonly #cache: ResourceCache;
  readonly #parse: (object: unknown) => Parsed;
  readonly #derive: (all: Iterable<readonly [CachedObject, Parsed]>) => Derived;
  #parsed = new Map<CachedObject, Parsed>();
  #changedAt = -1;
  #size = -1;
  #derived: Derived | undefined;

  constructor(
    cache: ResourceCache,
    parse: (object: unknown) => Parsed,
    derive: (all: Iterable<readonly [CachedObject, Parsed]>) => Derived,
  ) {
    this.#cache = cache;
    this.#parse = parse;
    this.#derive = derive;
  }

  current(): Derived {
    const { changedAt, size } = this.#cache;
    if (this.#derived !== undefined && changedAt === this.#changedAt && size === this.#size) return this.#derived;
    const parsed = new Map<CachedObject, Parsed>();
    // A cached object is immutable: what it was parsed to stays true.
    for (const object of this.#cache.list("")) {
      parsed.set(object, this.#parsed.get(object) ?? this.#parse(parseCached(object)));
    }
    this.#parsed = parsed;
    this.#changedAt = changedAt;
    this.#size = size;
    return this.#derived = this.#derive(parsed);
  }
}
