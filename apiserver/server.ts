import { invariant } from "../base/assert.ts";
import { flowSchemas, isReview, priorityLevelConfigurations, type ResourceInfo } from "../api/resources.ts";
import { batchPath } from "../api/batch.ts";
import { kubernetesVersion } from "../api/version.ts";
import { badRequest, methodNotAllowed } from "../api/status.ts";
import type { RequestContext } from "../platform/mod.ts";
import { enabledPlugins } from "./admission/plugins.ts";
import { PolicyStatus } from "./admission/policies/status.ts";
import { ApiServices } from "./aggregation/api_services.ts";
import { publishAuthentication } from "./aggregation/authentication_config.ts";
import { proxyToRemote } from "./aggregation/proxy.ts";
import type { RemoteVersion } from "./aggregation/remote.ts";
import { audit, auditStrangers } from "./audit/filter.ts";
import { handleIssuerDiscovery, isIssuerDiscovery } from "./authn/issuer_discovery.ts";
import { bootstrapTokens } from "./authn/bootstrap_tokens.ts";
import { serviceAccountTokens } from "./authn/review.ts";
import { jwtTokens } from "./authn/jwt.ts";
import { staticTokens } from "./authn/static_tokens.ts";
import { webhookTokens } from "./authn/webhook.ts";
import { firstOf, type TokenAuthenticator } from "./authn/token_authenticator.ts";
import { defaultProxyNames } from "./authn/request_headers.ts";
import { ServiceAccountTokens } from "./authn/service_account_tokens.ts";
import { anonymous } from "./authn/user.ts";
import { Authorizer } from "./authz/authorizer.ts";
import { isPublicPath } from "./authz/decide.ts";
import { EndpointReconciler } from "./bootstrap/endpoints.ts";
import { createBootstrapObjects } from "./bootstrap/objects.ts";
import { reconcileRoles } from "./bootstrap/roles.ts";
import { authenticate, type TokenReviewer } from "./chain/authenticate.ts";
import { authorize } from "./chain/authorize.ts";
import { readBody } from "./chain/body.ts";
import { chain } from "./chain/chain.ts";
import { compress } from "./chain/compress.ts";
import { measure } from "./chain/metrics.ts";
import { recover } from "./chain/recover.ts";
import { impersonate } from "./chain/impersonate.ts";
import { refuseCrossSite } from "./chain/same_origin.ts";
import { trace, traced } from "./chain/trace.ts";
import { addAuditId } from "./chain/request_id.ts";
import { handleBatch } from "./batch.ts";
import { Catalog } from "./catalog.ts";
import { Expressions } from "./cel/expressions.ts";
import type { ServerConfig, ServerDeps } from "./config.ts";
import { Definitions } from "./crd/definitions.ts";
import { OpenApiDocuments } from "./discovery/openapi.ts";
import { encryptStore } from "./encryption/store.ts";
import { Drain } from "./drain.ts";
import { type Exchange, type Handler, isReadOnly } from "./exchange.ts";
import { FlowControl } from "./flowcontrol/control.ts";
import { prioritize } from "./flowcontrol/filter.ts";
import { showGauges } from "./gauges.ts";
import { limits } from "./limits.ts";
import { handlePlain, type PlainDeps } from "./plain_handler.ts";
import { parseCidr } from "./registry/cidr.ts";
import type { Registry } from "./registry/context.ts";
import { EventLeases } from "./registry/event_leases.ts";
import { storedResources } from "./registry/fields.ts";
import { strategyFor } from "./registry/strategies.ts";
import type { Strategy } from "./registry/strategy.ts";
import { requestInfo } from "./request_info.ts";
import { handleResource } from "./resource_handler.ts";
import { pageNotFound } from "./respond.ts";
import { StoreAccess } from "./store_access.ts";
import { handleReview } from "./reviews/handle.ts";
import { handleSubresource, isViewOfObject } from "./subresources/handle.ts";
import { StoreFeed } from "./watchcache/feed.ts";
import { WatchPacers } from "./watchcache/pacer.ts";
import { ReadGate } from "./watchcache/read_gate.ts";
import { ResourceCache } from "./watchcache/resource_cache.ts";

/** An apiserver without a socket. */
export interface ApiServer {
  handle(request: Request, context: RequestContext): Promise<Response>;
  /** The watch cache is loaded and the cluster's own objects exist. */
  readonly ready: Promise<void>;
  stop(): Promise<void>;
}

export function createApiServer(config: ServerConfig, given: ServerDeps): ApiServer {
  const deps = withEncryption(config, given);
  const caches = storedResources().map((resource) => new ResourceCache(resource));
  const registry = makeRegistry(config, deps, caches);
  const state = { ready: false, roles: false, stopping: false };
  const drain = new Drain();
  showGauges(deps.metrics, { registry, drain, caches: () => [...caches, ...definitions.caches()] });
  const plain: PlainDeps = {
    advertise: config.advertise,
    catalog: registry.catalog,
    openApi: new OpenApiDocuments(kubernetesVersion, registry.catalog, config.declarationOf),
    clock: deps.clock,
    metrics: () => deps.metrics.text(),
    health: healthChecks(registry, state),
  };
  const handler = chain(filters(registry, deps), route(registry, deps, plain));
  const batch = batchHandler(registry, deps, handler);
  const definitions = new Definitions(registry);
  const aggregation = new ApiServices(registry);
  const policies = new PolicyStatus(registry);
  const bookmarks = startBookmarks(registry, () => [...caches, ...definitions.caches()]);
  const endpoints = new EndpointReconciler(registry);
  const ready = start(registry, { endpoints, definitions, aggregation, policies }, state);
  // A failure is reported by `ready`; whoever does not await it shall not die of it.
  ready.catch(() => {});
  return {
    handle: (request, context) => {
      const exchange = exchangeOf(request, context, registry);
      const { info, url } = exchange;
      const exempt = info.kind === "plain" && isPublicPath(info.path);
      return drain.run(isReadOnly(request.method), exempt, () => {
        if (url.pathname === batchPath) return batch(exchange);
        if (info.kind !== "unserved" || info.problem !== "notFound" || !url.pathname.startsWith("/apis/")) {
          return handler(exchange);
        }
        // Whoever has seen a definition established by one server finds it served by every other.
        return Promise.all([definitions.caughtUp(), aggregation.caughtUp()]).then(() =>
          handler(exchangeOf(request, context, registry))
        );
      });
    },
    ready,
    stop: async () => {
      if (state.stopping) return;
      // First nobody new is sent here, then watches end and what is under way is answered, then the server goes.
      state.stopping = true;
      bookmarks.stop();
      await endpoints.stop();
      await policies.stop();
      await aggregation.stop();
      const delayMs = config.timers.shutdownDelayMs ?? 0;
      if (delayMs > 0) await deps.timers.sleep(delayMs);
      const drained = drain.drain(deps.timers);
      const endWatches = () => {
        for (const cache of [...caches, ...definitions.caches()]) cache.reset(registry.feed.revision);
      };
      endWatches();
      registry.authorizer.stop();
      await drained;
      await definitions.stop();
      registry.feed.stop();
      registry.store.stop();
      endWatches();
      registry.pacers.stop();
    },
  };
}

/** The store as everything above it sees it: in plain text. */
function withEncryption(config: ServerConfig, deps: ServerDeps): ServerDeps & { isStale: StoreAccess["isStale"] } {
  const { encryption } = config;
  if (encryption === undefined) return { ...deps, isStale: () => false };
  const { ciphers } = deps;
  invariant(ciphers !== undefined, "encryption at rest is configured, and nothing encrypts");
  const store = encryptStore(deps.store, encryption, { ...deps, ciphers });
  return { ...deps, store, isStale: store.isStale };
}

function makeRegistry(
  config: ServerConfig,
  deps: ReturnType<typeof withEncryption>,
  caches: readonly ResourceCache[],
): Registry {
  const store = new StoreAccess(deps.store, deps);
  const catalog = new Catalog();
  const strategies = new Map<ResourceInfo, Strategy>(
    caches.map((cache) => [cache.resource.info, strategyFor(cache, { clock: deps.clock, config })]),
  );
  const strategy = (info: ResourceInfo) => {
    const found = strategies.get(info) ?? catalog.strategy(info);
    invariant(found !== undefined, `no strategy for ${info.resource}`);
    return found;
  };
  const feed = new StoreFeed(caches, deps);
  const tokens = new ServiceAccountTokens(config.serviceAccount);
  const { clock } = deps;
  return {
    config,
    catalog,
    store,
    feed,
    gate: new ReadGate(store),
    pacers: new WatchPacers(deps.timers, config.timers.watchFlushMs ?? limits.watchFlushMs),
    clock: deps.clock,
    timers: deps.timers,
    random: deps.random,
    log: deps.log,
    cidr: parseCidr(config.serviceCidr),
    eventLeases: new EventLeases(store, deps.clock),
    tokens,
    authenticateToken: firstOf([
      bootstrapTokens({ strategy, clock }),
      serviceAccountTokens({ strategy, clock, store, tokens }),
      ...configuredTokens(config, deps),
    ]),
    counts: { historic: 0, longRunning: 0 },
    postHttps: deps.postHttps,
    certificates: deps.certificates,
    callHttps: deps.callHttps,
    upgradeHttps: deps.upgradeHttps,
    expressions: new Expressions(),
    webhookSeconds: deps.metrics.histogram(
      "apiserver_admission_webhook_admission_duration_seconds",
      "Time to a webhook's answer, in seconds.",
      [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25],
    ),
    admits: enabledPlugins(config.admissionPlugins ?? {}),
    flowControl: new FlowControl({
      schemas: strategy(flowSchemas).cache,
      levels: strategy(priorityLevelConfigurations).cache,
      timers: deps.timers,
      total: (config.maxInFlight?.readOnly ?? limits.readsInFlight) +
        (config.maxInFlight?.mutating ?? limits.mutationsInFlight),
    }),
    authorizer: new Authorizer({
      cacheOf: (info) => strategy(info).cache,
      synced: () => feed.synced,
      timers: deps.timers,
    }),
    strategy,
  };
}

/** By upstream's names, as far as there is such a thing here. */
function healthChecks({ feed }: Registry, state: State): PlainDeps["health"] {
  const always = () => true;
  const started = {
    "poststarthook/start-system-namespaces-controller": () => state.ready,
    "poststarthook/rbac/bootstrap-roles": () => state.roles,
    "poststarthook/scheduling/bootstrap-system-priority-classes": () => state.roles,
    "poststarthook/priority-and-fairness-config-producer": () => state.roles,
    "poststarthook/bootstrap-controller": () => state.ready,
  };
  const etcd = () => feed.synced;
  return {
    healthz: { ping: always, log: always, etcd },
    // Not the store: a new process would not find it either.
    livez: { ping: always, log: always },
    readyz: { ping: always, log: always, etcd, "informer-sync": etcd, ...started, shutdown: () => !state.stopping },
  };
}

interface State {
  ready: boolean;
  stopping: boolean;
  /** The default roles exist. */
  roles: boolean;
}

async function start(
  registry: Registry,
  { endpoints, definitions, aggregation, policies }: {
    endpoints: EndpointReconciler;
    definitions: Definitions;
    aggregation: ApiServices;
    policies: PolicyStatus;
  },
  state: State,
): Promise<void> {
  await registry.feed.start();
  await Promise.all([
    createBootstrapObjects(registry).then(() => publishAuthentication(registry)),
    startRoles(registry, state),
    definitions.start(),
  ]);
  aggregation.start();
  policies.start();
  await endpoints.start();
  state.ready = true;
}

async function startRoles(registry: Registry, state: State): Promise<void> {
  await reconcileRoles(registry);
  registry.authorizer.setLoaded();
  state.roles = true;
}

function configuredTokens({ authentication = {} }: ServerConfig, deps: ServerDeps): TokenAuthenticator[] {
  const { jwt = [], webhook, tokens = [] } = authentication;
  const { clock, timers, dialHttps, postHttps } = deps;
  invariant(jwt.length === 0 || dialHttps !== undefined, "issuers are configured, and there is no way to them");
  invariant(
    webhook === undefined || postHttps !== undefined,
    "a token webhook is configured, and there is no way to it",
  );
  return [
    ...(tokens.length === 0 ? [] : [staticTokens(tokens)]),
    ...(dialHttps === undefined ? [] : jwt.map((issuer) => jwtTokens(issuer, { clock, timers, dial: dialHttps }))),
    ...(webhook === undefined || postHttps === undefined
      ? []
      : [webhookTokens(webhook, { clock, timers, post: postHttps })]),
  ];
}

function proxyNames({ config }: Registry): readonly string[] {
  return config.frontProxy?.allowedNames ?? defaultProxyNames;
}

/** Tokens for this API itself. */
function reviewer({ authenticateToken, tokens, log }: Registry): TokenReviewer {
  const audiences = [tokens.issuer];
  return async (token) => {
    try {
      return (await authenticateToken(token, audiences))?.user ?? null;
    } catch (error) {
      // The client hears 401 and no more.
      log.debug("A bearer token was refused", { error: error instanceof Error ? error.message : String(error) });
      return null;
    }
  };
}

/** The order in which a request meets the filters, outermost first. */
function filters(registry: Registry, deps: ServerDeps) {
  const auditing = registry.config.audit && { ...registry.config.audit, clock: deps.clock };
  // Without a policy there is not even a filter.
  const [strangers, audited] = auditing === undefined ? [[], []] : [[auditStrangers(auditing)], [audit(auditing)]];
  const tracing = deps.tracer === undefined
    ? []
    : [trace({ tracer: deps.tracer, random: deps.random, perMillion: registry.config.traceSamplingPerMillion ?? 0 })];
  return [
    addAuditId,
    compress,
    measure(deps.metrics, deps.clock),
    recover(deps.log),
    ...strangers,
    authenticate(reviewer(registry), proxyNames(registry), registry.config.authentication?.anonymous),
    ...tracing,
    ...audited,
    impersonate(registry.authorizer),
    prioritize(registry.flowControl),
    refuseCrossSite,
    authorize(registry.authorizer),
    readBody(deps.timers),
  ];
}

/** A batch itself needs no right but to be someone: each request in it meets every filter. */
function batchHandler(registry: Registry, deps: ServerDeps, handler: Handler): Handler {
  const outer = [
    addAuditId,
    recover(deps.log),
    authenticate(reviewer(registry), proxyNames(registry), registry.config.authentication?.anonymous),
    refuseCrossSite,
    readBody(deps.timers),
  ];
  return (exchange) => {
    const { context } = exchange;
    const inner = handleBatch(handler, (request, body) => ({ ...exchangeOf(request, context, registry), body }));
    return chain(outer, inner)(exchange);
  };
}

function route(own: Registry, deps: ServerDeps, plain: PlainDeps): Handler {
  return async (exchange) => {
    const { info, span } = exchange;
    const registry = span === undefined ? own : traced(own, span);
    switch (info.kind) {
      case "remote":
      case "plain": {
        const remote = remoteOf(registry.catalog, exchange);
        if (remote !== undefined) return await proxyToRemote(registry, exchange, remote);
        if (info.kind === "remote") return pageNotFound();
        if (isIssuerDiscovery(info.path)) return await handleIssuerDiscovery(registry, exchange);
        return handlePlain(plain, exchange);
      }
      case "unserved":
        if (info.problem === "notFound") return pageNotFound();
        if (info.problem === "badPath") throw badRequest("the path is not valid");
        throw methodNotAllowed({ group: "", resource: "" }, info.method.toLowerCase());
      case "resource":
        if (isReview(info.info)) return await handleReview(registry, exchange, info);
        if (info.subresource === "" || isViewOfObject(info.subresource)) {
          return await handleResource(registry, exchange, info);
        }
        return await handleSubresource(registry, deps, exchange, info);
    }
  };
}

/** The other server that a path belongs to. */
function remoteOf(catalog: Catalog, { info }: Exchange): RemoteVersion | undefined {
  if (info.kind === "remote") return catalog.remote(info.group, info.version);
  const [, group, version] = /^(?:\/openapi\/v3)?\/apis\/([^/]+)\/([^/]+)\/?$/.exec(info.path) ?? [];
  return group === undefined || version === undefined ? undefined : catalog.remote(group, version);
}

function exchangeOf(request: Request, context: RequestContext, registry: Registry): Exchange {
  const url = new URL(request.url);
  const info = requestInfo(request.method, url, registry.catalog);
  const auditId = givenAuditId(request) ?? registry.random.uuid();
  return { request, context, url, info, auditId, user: anonymous, body: new Uint8Array(0), warnings: [] };
}

/** A client that has a name for its request already, an aggregator say, may keep it. */
function givenAuditId(request: Request): string | undefined {
  const given = request.headers.get("audit-id");
  return given !== null && given.length <= limits.auditIdLength && /^[\x21-\x7e]+$/.test(given) ? given : undefined;
}

/** Idle watches learn every now and then how far they have come, so that they need not begin anew elsewhere. */
function startBookmarks(registry: Registry, caches: () => readonly ResourceCache[]): { stop(): void } {
  const periodMs = registry.config.timers.bookmarkMs ?? 60_000;
  const send = () => {
    for (const cache of caches()) cache.bookmark(registry.feed.revision);
    timer = registry.timers.schedule(periodMs, send);
  };
  let timer = registry.timers.schedule(periodMs, send);
  return { stop: () => timer.cancel() };
}
