import type { APIService } from "../../api/gen/types.ts";
import { apiServices, endpointSlices, type ResourceInfo, services } from "../../api/resources.ts";
import { ApiError } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { loopbackUser } from "../bootstrap/objects.ts";
import { groupVersions } from "../discovery/resources.ts";
import { limits } from "../limits.ts";
import { Loop } from "../loop.ts";
import type { Registry } from "../registry/context.ts";
import { create } from "../registry/create.ts";
import { remove } from "../registry/delete.ts";
import { cacheAt } from "../registry/list.ts";
import { modify } from "../registry/write.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceCache, Subscriber } from "../watchcache/resource_cache.ts";
import { checkAvailability, type Verdict } from "./availability.ts";
import { fetchDocuments } from "./documents.ts";
import { apiServiceName, isAsWanted, localApiService, type LocalVersion, managedLabel } from "./local.ts";
import { type RemoteDocuments, remoteSpec, unknownDocuments } from "./remote.ts";

/**
 * Keeps the APIServices in step with what is served: those of definitions' group versions come and go with them, those
 * of other servers are tried every now and then, and named in discovery. Every apiserver does so by itself, from its own
 * watch cache; statuses are written by whoever is first.
 */
export class ApiServices implements Subscriber {
  readonly trigger = null;
  readonly #registry: Registry;
  readonly #cache: ResourceCache;
  readonly #register: Loop;
  readonly #check: Loop;
  readonly #documents = new Map<string, RemoteDocuments>();
  readonly #backing: BackingWatch;
  #unsubscribe = () => {};
  /** Ends what is asked of other servers when this one stops. */
  readonly #stopping = new AbortController();

  constructor(registry: Registry) {
    this.#registry = registry;
    this.#cache = registry.strategy(apiServices).cache;
    this.#register = new Loop("register APIServices", () => this.#registerAll(), registry);
    this.#check = new Loop("check APIServices", () => this.#checkAll(), registry);
    this.#backing = new BackingWatch(registry, () => this.#check.kick());
  }

  /** The feed, the default APIServices and the definitions must be there. */
  start(): void {
    this.#cache.subscribe(this);
    this.#unsubscribe = this.#registry.catalog.onReplace(() => {
      this.#register.kick();
      this.#changed();
    });
    this.#register.kick();
    this.#changed();
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#unsubscribe();
    this.#cache.unsubscribe(this);
    this.#backing.watch([]);
    await Promise.all([this.#register.stop(), this.#check.stop()]);
  }

  /** Resolves when every APIService that any client can have seen is known here; never throws. */
  async caughtUp(): Promise<void> {
    try {
      await cacheAt(this.#registry.feed, await this.#registry.gate.revision());
    } catch {
      // Without the store's word the present state is the best there is.
    }
  }

  offer(): void {
    this.#changed();
    this.#register.kick();
  }

  bookmark(): void {}

  /** The cache begins anew. */
  end(): void {
    if (this.#stopping.signal.aborted) return;
    this.#cache.subscribe(this);
    this.#changed();
  }

  #all(): APIService[] {
    return this.#cache.list("").map((cached) => parseCached<APIService>(cached));
  }

  /** Requests are routed by what is registered at once; what the remote server says of itself comes later. */
  #changed(): void {
    const remotes = this.#remotes();
    if (remotes.length === 0 && this.#registry.catalog.remotes.length === 0) return;
    this.#publish();
    this.#backing.watch(remotes.map(({ spec }) => spec.service));
    this.#check.kick();
  }

  /** What this server serves itself is never another's. */
  #remotes() {
    const { catalog } = this.#registry;
    return this.#all().flatMap((service) => {
      const spec = remoteSpec(service);
      if (spec === null || catalog.hasLocal(spec.group ?? "", spec.version ?? "")) return [];
      return [{ service, spec, name: service.metadata?.name ?? "" }];
    });
  }

  #publish(): void {
    const remotes = this.#remotes();
    for (const name of this.#documents.keys()) {
      if (!remotes.some((it) => it.name === name)) this.#documents.delete(name);
    }
    this.#registry.catalog.setRemotes(remotes.map(({ spec, name }) => ({
      group: spec.group ?? "",
      version: spec.version ?? "",
      groupPriority: spec.groupPriorityMinimum,
      versionPriority: spec.versionPriority,
      ...this.#documents.get(name) ?? unknownDocuments,
    })));
  }

  async #checkAll(): Promise<void> {
    const remotes = this.#remotes();
    let failing = false;
    await Promise.all(remotes.map(async ({ service, spec, name }) => {
      const verdict = await checkAvailability(this.#registry, spec, this.#stopping.signal);
      if (this.#stopping.signal.aborted) return;
      const known = this.#documents.get(name) ?? unknownDocuments;
      failing ||= verdict.status !== "True";
      this.#documents.set(
        name,
        verdict.status === "True" ? await this.#fetch(spec, known) : { ...known, fresh: false },
      );
      await this.#report(service, verdict);
    }));
    if (this.#stopping.signal.aborted || remotes.length === 0) return;
    this.#publish();
    this.#check.kickLater(failing ? limits.availabilityRetryMs : limits.availabilityMs);
  }

  async #fetch(spec: Parameters<typeof fetchDocuments>[1], known: RemoteDocuments): Promise<RemoteDocuments> {
    try {
      return await fetchDocuments(this.#registry, spec, known, this.#stopping.signal);
    } catch (error) {
      this.#registry.log.warn("Cannot read what an APIService serves", {
        group: spec.group ?? "",
        error: String(error),
      });
      return { ...known, fresh: false };
    }
  }

  async #report(service: APIService, verdict: Verdict): Promise<void> {
    if (saysSo(service, verdict)) return;
    const { metadata } = service;
    await modify(this.#registry, context, {
      strategy: this.#registry.strategy(apiServices),
      namespace: "",
      name: metadata?.name ?? "",
      next: ({ object }) => {
        const current = object as APIService | null;
        if (current === null || current.metadata?.uid !== metadata?.uid || saysSo(current, verdict)) {
          return { kind: "keep" };
        }
        return { kind: "put", object: withVerdict(current, verdict, this.#registry.clock.now()) };
      },
    });
  }

  async #registerAll(): Promise<void> {
    const { catalog, clock } = this.#registry;
    const custom: LocalVersion[] = groupVersions(catalog.resources)
      .filter((it) => catalog.isDynamic(it.group, it.version))
      .map(({ group, version }) => ({ group, version, dynamic: true }));
    const wanted = new Map(custom.map((it) => [apiServiceName(it), localApiService(it, clock.now())]));
    const present = new Map(this.#all().map((it) => [it.metadata?.name ?? "", it]));
    for (const [name, object] of wanted) {
      const there = present.get(name);
      if (there === undefined) await this.#create(object);
      else if (there.metadata?.labels?.[managedLabel] === "true" && !isAsWanted(there, object)) {
        await this.#restore(name, object);
      }
    }
    for (const [name, object] of present) {
      if (object.metadata?.labels?.[managedLabel] === "true" && !wanted.has(name)) await this.#remove(name);
    }
  }

  async #create(object: APIService): Promise<void> {
    try {
      await create(this.#registry, context, this.#registry.strategy(apiServices), "", structuredClone(object));
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "AlreadyExists") throw error;
    }
  }

  async #restore(name: string, wanted: APIService): Promise<void> {
    const next = ({ object }: { object: APIService | null }) =>
      object === null || isAsWanted(object, wanted)
        ? { kind: "keep" } as const
        : { kind: "put", object: { ...object, spec: wanted.spec, status: wanted.status } as APIService } as const;
    const strategy = this.#registry.strategy(apiServices);
    await modify(this.#registry, context, {
      strategy,
      namespace: "",
      name,
      next: ({ object }) => next({ object: object as APIService | null }),
    });
  }

  async #remove(name: string): Promise<void> {
    const options = {
      gracePeriodSeconds: undefined,
      propagationPolicy: undefined,
      uid: undefined,
      resourceVersion: undefined,
      dryRun: false,
    };
    try {
      await remove(this.#registry, context, this.#registry.strategy(apiServices), "", name, options);
    } catch (error) {
      if (!(error instanceof ApiError) || error.reason !== "NotFound") throw error;
    }
  }
}

const context = { user: loopbackUser, dryRun: false, warnings: [] };

function saysSo({ status }: APIService, { status: wanted, reason, message }: Verdict): boolean {
  const known = status?.conditions?.find((it) => it.type === "Available");
  return known?.status === wanted && known.reason === reason && known.message === message;
}

function withVerdict(service: APIService, verdict: Verdict, now: number): APIService {
  const conditions = service.status?.conditions ?? [];
  const before = conditions.find((it) => it.type === "Available");
  const kept = before?.status === verdict.status ? before.lastTransitionTime : undefined;
  const condition = { type: "Available", lastTransitionTime: kept ?? formatTime(now), ...verdict };
  const others = conditions.filter((it) => it.type !== "Available");
  return { ...service, status: { ...service.status, conditions: [...others, condition] } };
}

/** Tells of changes of the Services behind remote APIServices and of their endpoints; of nothing where there are none. */
class BackingWatch {
  readonly #registry: Registry;
  readonly #changed: () => void;
  #stops: (() => void)[] = [];
  #watched = "";

  constructor(registry: Registry, changed: () => void) {
    this.#registry = registry;
    this.#changed = changed;
  }

  watch(backing: readonly { readonly name?: string; readonly namespace?: string }[]): void {
    const names = backing.map(({ name = "", namespace = "" }) => `${namespace}/${name}`).sort();
    if (names.join(" ") === this.#watched) return;
    this.#watched = names.join(" ");
    for (const stop of this.#stops) stop();
    const namespaces = new Set(backing.map(({ namespace = "" }) => namespace));
    this.#stops = [
      ...new Set(names).values().map((name) => this.#subscribe(services, `name=${name}`)),
      ...namespaces.values().map((namespace) => this.#subscribe(endpointSlices, `namespace=${namespace}`)),
    ];
  }

  #subscribe(info: ResourceInfo, trigger: string): () => void {
    const { cache } = this.#registry.strategy(info);
    const subscriber: Subscriber = { trigger, offer: this.#changed, bookmark() {}, end: this.#changed };
    cache.subscribe(subscriber);
    return () => cache.unsubscribe(subscriber);
  }
}
