import type { CustomResourceDefinition } from "../../api/gen/types.ts";
import { customResourceDefinitions } from "../../api/resources.ts";
import { compareVersions } from "../discovery/versions.ts";
import type { DynamicResource } from "../catalog.ts";
import type { Registry } from "../registry/context.ts";
import { cacheAt } from "../registry/list.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceCache, Subscriber } from "../watchcache/resource_cache.ts";
import { cleanUp } from "./clean_up.ts";
import { loadParser } from "../cel/parse.ts";
import { customStrategy, type RuleCheck, versionSchema } from "./custom_strategy.ts";
import { Loop } from "../loop.ts";
import { isServable } from "./names.ts";
import { loadPatterns } from "./patterns.ts";
import { checkRules, compileRules, type RuleEngine } from "./rules.ts";
import { eachSchema, type Schema } from "./schema.ts";
import { publishStatus } from "./status.ts";
import { openApiOf } from "./openapi.ts";
import { webhookConversion } from "./webhook_conversion.ts";

interface Served {
  /** What it was made from. */
  readonly fingerprint: string;
  readonly dynamic: DynamicResource;
  definition: CustomResourceDefinition;
}

/**
 * Serves what CustomResourceDefinitions define, live: a change of a definition gives its resources new strategies and new
 * caches; the old caches' watches end, and their clients list again. Every apiserver does all of this by itself, from
 * its own watch cache; statuses are written by whoever is first.
 */
export class Definitions implements Subscriber {
  readonly trigger = null;
  readonly #registry: Registry;
  readonly #cache: ResourceCache;
  readonly #serve: Loop;
  readonly #report: Loop;
  readonly #clean: Loop;
  #served: ReadonlyMap<string, Served> = new Map();
  #stopped = false;

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#cache = registry.strategy(customResourceDefinitions).cache;
    this.#serve = new Loop("serve custom resources", () => this.#serveAll(), registry);
    this.#report = new Loop("report on definitions", () => this.#reportAll(), registry);
    this.#clean = new Loop("delete the instances of definitions", () => this.#cleanAll(), registry);
  }

  /** Resolves when what is defined now is served. The feed must have started. */
  async start(): Promise<void> {
    this.#cache.subscribe(this);
    this.#kick();
    await this.#serve.idle();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cache.unsubscribe(this);
    await Promise.all([this.#serve.stop(), this.#report.stop(), this.#clean.stop()]);
  }

  /** The caches of what is served. */
  caches(): ResourceCache[] {
    return [...this.#served.values()].map(({ dynamic }) => dynamic.strategy.cache);
  }

  /** Resolves when everything is served that any client can have seen defined; never throws. */
  async caughtUp(): Promise<void> {
    try {
      await cacheAt(this.#registry.feed, await this.#registry.gate.revision());
      await this.#serve.idle();
    } catch {
      // Without the store's word the present state is the best there is.
    }
  }

  offer(): void {
    this.#kick();
  }

  bookmark(): void {}

  /** The cache begins anew. */
  end(): void {
    if (this.#stopped) return;
    this.#cache.subscribe(this);
    this.#kick();
  }

  #kick(): void {
    if (this.#cache.size === 0 && this.#served.size === 0) return;
    this.#serve.kick();
    this.#report.kick();
    this.#clean.kick();
  }

  #definitions(): CustomResourceDefinition[] {
    return this.#cache.list("").map((cached) => parseCached<CustomResourceDefinition>(cached));
  }

  async #serveAll(): Promise<void> {
    const next = new Map<string, Served>();
    const fresh: Served[] = [];
    for (const definition of this.#definitions().filter(isServable)) {
      for (const version of definition.spec.versions.filter((each) => each.served)) {
        const name = `${definition.spec.names.plural}.${version.name}.${definition.spec.group}`;
        const { metadata, spec, status } = definition;
        const fingerprint = JSON.stringify([metadata?.uid, spec, status?.acceptedNames, version.name]);
        const known = this.#served.get(name);
        if (known?.fingerprint === fingerprint) {
          known.definition = definition;
          next.set(name, known);
        } else {
          const made = await this.#make(definition, version.name, fingerprint);
          fresh.push(made);
          next.set(name, made);
        }
      }
    }
    await Promise.all(fresh.map(({ dynamic }) => this.#registry.feed.add(dynamic.strategy.cache)));
    const before = this.#served;
    this.#served = next;
    const gone = [...before].filter(([name, served]) => next.get(name) !== served).map(([, served]) => served);
    if (fresh.length > 0 || gone.length > 0) {
      this.#registry.catalog.replace([...next.values()].map(({ dynamic }) => dynamic).sort(inDiscoveryOrder));
    }
    for (const { dynamic } of gone) this.#registry.feed.remove(dynamic.strategy.cache);
  }

  async #make(definition: CustomResourceDefinition, name: string, fingerprint: string): Promise<Served> {
    const needs = needsOf(definition);
    const patterns = needs.patterns || needs.rules ? await loadPatterns() : null;
    const version = definition.spec.versions.find((each) => each.name === name);
    if (version === undefined) throw new Error(`no version ${name}`);
    const isTerminating = () => made.definition.metadata?.deletionTimestamp !== undefined;
    const strategy = customStrategy({
      definition,
      version,
      patterns,
      checkRules: needs.rules && patterns !== null
        ? ruleCheck(versionSchema(version, null), { parse: await loadParser(), patterns })
        : null,
      convert: webhookConversion(this.#registry, definition),
      isTerminating,
    });
    const openApi = openApiOf(strategy.info, version);
    const made: Served = { fingerprint, definition, dynamic: { info: strategy.info, strategy, openApi } };
    return made;
  }

  async #reportAll(): Promise<void> {
    const all = this.#definitions();
    for (const definition of all) await publishStatus(this.#registry, definition, all);
  }

  async #cleanAll(): Promise<void> {
    for (const definition of this.#definitions()) {
      if (definition.metadata?.deletionTimestamp === undefined) continue;
      await this.#serve.idle();
      const done = await cleanUp(this.#registry, definition, (version) => {
        const { names, group } = definition.spec;
        return this.#served.get(`${names.plural}.${version}.${group}`)?.dynamic.strategy;
      });
      if (!done) this.#clean.kickLater(1000);
    }
  }
}

/** Which engines the definition's schemas ask for. */
function needsOf(definition: CustomResourceDefinition): { patterns: boolean; rules: boolean } {
  const needs = { patterns: false, rules: false };
  for (const { schema } of definition.spec.versions) {
    for (const { props } of eachSchema(schema?.openAPIV3Schema ?? {}, "")) {
      needs.patterns ||= props.pattern !== undefined;
      needs.rules ||= (props["x-kubernetes-validations"] ?? []).length > 0;
    }
  }
  return needs;
}

function ruleCheck(schema: Schema, engine: RuleEngine): RuleCheck | null {
  const tree = compileRules(schema, engine.parse);
  return tree === null ? null : (object, old) => checkRules(tree, object, old, engine);
}

function inDiscoveryOrder(a: DynamicResource, b: DynamicResource): number {
  if (a.info.group !== b.info.group) return a.info.group < b.info.group ? -1 : 1;
  return compareVersions(a.info.version, b.info.version) || (a.info.resource < b.info.resource ? -1 : 1);
}
