import type { ValidatingAdmissionPolicy } from "../../../api/gen/types.ts";
import { validatingAdmissionPolicies } from "../../../api/resources.ts";
import { loopbackUser } from "../../bootstrap/objects.ts";
import { Loop } from "../../loop.ts";
import type { Registry } from "../../registry/context.ts";
import { modify } from "../../registry/write.ts";
import type { ResourceCache, Subscriber } from "../../watchcache/resource_cache.ts";
import { typeWarnings } from "./type_check.ts";

/**
 * Checks the types of every generation of every ValidatingAdmissionPolicy, once, and says in its status what it found.
 * The apiservers know the types, so they do what upstream's controller manager does; whoever is first writes.
 */
export class PolicyStatus implements Subscriber {
  readonly trigger = null;
  readonly #registry: Registry;
  readonly #cache: ResourceCache;
  readonly #check: Loop;
  #stopped = false;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#cache = registry.strategy(validatingAdmissionPolicies).cache;
    this.#check = new Loop("check the types of policies", () => this.#checkAll(), registry);
  }

  start(): void {
    this.#cache.subscribe(this);
    if (this.#cache.size > 0) this.#check.kick();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cache.unsubscribe(this);
    await this.#check.stop();
  }

  offer(): void {
    this.#check.kick();
  }

  bookmark(): void {}

  end(): void {
    if (!this.#stopped) this.start();
  }

  async #checkAll(): Promise<void> {
    for (const cached of this.#cache.list("")) {
      const policy = cached.parsed as ValidatingAdmissionPolicy;
      const { generation } = policy.metadata ?? {};
      if (generation === undefined || isChecked(policy, generation)) continue;
      const engine = await this.#registry.expressions.of(cached);
      const expressionWarnings = typeWarnings(policy, this.#registry.catalog, engine);
      const typeChecking = expressionWarnings.length === 0 ? {} : { expressionWarnings };
      await modify(this.#registry, { user: loopbackUser, dryRun: false, warnings: [] }, {
        strategy: this.#registry.strategy(validatingAdmissionPolicies),
        namespace: "",
        name: cached.name,
        next: ({ object }) => {
          const current = object as ValidatingAdmissionPolicy | null;
          if (current?.metadata?.generation !== generation || isChecked(current, generation)) return { kind: "keep" };
          const status = { ...current.status, observedGeneration: generation, typeChecking };
          return { kind: "put", object: { ...current, status } as ValidatingAdmissionPolicy };
        },
      });
    }
  }
}

function isChecked({ status }: ValidatingAdmissionPolicy, generation: number): boolean {
  return (status?.observedGeneration ?? 0) >= generation;
}
