import { type ResourceInfo, served } from "../api/resources.ts";
import type { RemoteVersion } from "./aggregation/remote.ts";
import type { Json } from "./dig.ts";
import type { Strategy } from "./registry/strategy.ts";

/** A resource that came while the server ran, with what the built-in tables say of the others. */
export interface DynamicResource {
  readonly info: ResourceInfo;
  readonly strategy: Strategy;
  /** Its object's schema as OpenAPI v3 says it, complete. */
  readonly openApi: Json;
}

/** The path of a resource: what a request names. */
export function resourceName(group: string, version: string, resource: string): string {
  return `${group}/${version}/${resource}`;
}

const builtinVersions: ReadonlySet<string> = new Set(served.map((info) => `${info.group}/${info.version}`));

const builtin: ReadonlyMap<string, ResourceInfo> = new Map(
  served.map((info) => [resourceName(info.group, info.version, info.resource), info]),
);

/**
 * What is served now: the built-in kinds, and those that CustomResourceDefinitions add and take away while the server
 * runs. Everything that is derived from it is kept under its `generation`.
 */
export class Catalog {
  #dynamic: ReadonlyMap<string, DynamicResource> = new Map();
  #byType: ReadonlyMap<string, DynamicResource> = new Map();
  #all: readonly ResourceInfo[] = served;
  #remotes: ReadonlyMap<string, RemoteVersion> = new Map();
  readonly #listeners = new Set<() => void>();
  /** Also of what is served no more: requests on it may be under way. */
  readonly #strategies = new WeakMap<ResourceInfo, Strategy>();
  #generation = 0;

  /** Counts the changes. */
  get generation(): number {
    return this.#generation;
  }

  /** Every served resource, in discovery order: the built-in ones first. */
  get resources(): readonly ResourceInfo[] {
    return this.#all;
  }

  find(group: string, version: string, resource: string): ResourceInfo | undefined {
    const name = resourceName(group, version, resource);
    return builtin.get(name) ?? this.#dynamic.get(name)?.info;
  }

  /** The group versions that other servers serve. */
  get remotes(): readonly RemoteVersion[] {
    return [...this.#remotes.values()];
  }

  remote(group: string, version: string): RemoteVersion | undefined {
    return this.#remotes.size === 0 ? undefined : this.#remotes.get(`${group}/${version}`);
  }

  setRemotes(all: readonly RemoteVersion[]): void {
    this.#remotes = new Map(all.map((it) => [`${it.group}/${it.version}`, it]));
    this.#generation++;
  }

  /** Whether this server serves something of a group version itself. */
  hasLocal(group: string, version: string): boolean {
    return builtinVersions.has(`${group}/${version}`) || this.isDynamic(group, version);
  }

  /** Calls `listener` whenever definitions have changed what is served. @returns ends it */
  onReplace(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param type as in ResourceInfo; undefined for built-in types */
  dynamic(type: string): DynamicResource | undefined {
    return this.#byType.get(type);
  }

  /** Undefined for built-in resources. */
  strategy(info: ResourceInfo): Strategy | undefined {
    return this.#strategies.get(info);
  }

  /** Whether a group version has resources that may go or change. */
  isDynamic(group: string, version: string): boolean {
    return [...this.#dynamic.values()].some(({ info }) => info.group === group && info.version === version);
  }

  /** @param all in discovery order: the preferred version of each group first */
  replace(all: readonly DynamicResource[]): void {
    this.#dynamic = new Map(
      all.map((it) => [resourceName(it.info.group, it.info.version, it.info.resource), it]),
    );
    this.#byType = new Map(all.map((it) => [it.info.type, it]));
    this.#all = [...served, ...all.map(({ info }) => info)];
    for (const { info, strategy } of all) this.#strategies.set(info, strategy);
    this.#generation++;
    for (const listener of this.#listeners) listener();
  }
}
