import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import { ApiError, badRequest, expired, failure, resourceVersionTooLarge } from "../../api/status.ts";
import { limits } from "../limits.ts";
import type { StoreAccess } from "../store_access.ts";
import { type CachedObject, cachedObject } from "../watchcache/cached.ts";
import type { StoreFeed } from "../watchcache/feed.ts";
import type { ReadGate } from "../watchcache/read_gate.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import { decodeContinue, encodeContinue } from "./continue_token.ts";
import type { ListOptions } from "./list_options.ts";
import { convertedAll } from "../watchcache/conversion.ts";
import { everything, type Selection } from "./selection.ts";

export interface Page {
  readonly revision: number;
  readonly objects: readonly CachedObject[];
  /** "" on the last page. */
  readonly continueToken: string;
  readonly remaining: number | undefined;
}

export interface ReadDeps {
  readonly store: StoreAccess;
  readonly feed: StoreFeed;
  readonly gate: ReadGate;
}

/**
 * A list at the revision that the options ask for: from the cache whenever the cache has that state, else from the
 * store's history. @see COMPATIBILITY in docs: resourceVersion semantics of KEP-2340 and api-concepts
 */
export async function list(
  deps: ReadDeps,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Page> {
  const { resource } = cache;
  if (resource.form?.conversion === undefined) return await listCached(deps, cache, namespace, selection, options);
  if (selection.everything) {
    const page = await listCached(deps, cache, namespace, selection, options);
    return { ...page, objects: await convertedAll(resource, page.objects) };
  }
  // Selectors judge what is served: everything is converted first, and the answer is not cut.
  const page = await listCached(deps, cache, namespace, everything, { ...options, limit: 0 });
  const objects = (await convertedAll(resource, page.objects)).filter((object) => selection.matches(object));
  return { ...page, objects };
}

async function listCached(
  deps: ReadDeps,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Page> {
  if (options.continueToken !== "") return await nextPage(deps, cache, namespace, selection, options);
  const { resourceVersion, resourceVersionMatch: match } = options;
  if (resourceVersion === "0") {
    await cacheAt(deps.feed, 0);
    // Upstream's cache does not cut such lists.
    return fromCache(deps.feed, cache, namespace, selection, { ...options, limit: 0 });
  }
  if (resourceVersion === "") {
    await cacheAt(deps.feed, await deps.gate.revision());
    return fromCache(deps.feed, cache, namespace, selection, options);
  }
  const revision = Number(resourceVersion);
  const exact = match === "Exact" || (match === "" && options.limit > 0);
  await cacheAt(deps.feed, revision);
  if (!exact) return fromCache(deps.feed, cache, namespace, selection, options);
  return await atRevision(deps, cache, namespace, selection, { revision, limit: options.limit, start: "" });
}

/** Waits until the caches have reached `revision`. */
export async function cacheAt(feed: StoreFeed, revision: number): Promise<void> {
  if (await feed.waitUntil(revision, limits.cacheWaitMs)) return;
  throw resourceVersionTooLarge(revision, feed.revision);
}

async function nextPage(
  deps: ReadDeps,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Promise<Page> {
  if (options.resourceVersion !== "" && options.resourceVersion !== "0") {
    throw badRequest("specifying resource version is not allowed when using continue");
  }
  const token = decodeContinue(options.continueToken);
  const revision = token.revision < 0 ? await deps.gate.revision() : token.revision;
  await cacheAt(deps.feed, revision);
  try {
    if (token.revision > 0 && isUnchangedSince(deps.feed, cache, revision)) await checkHistory(deps.store, revision);
    return await atRevision(deps, cache, namespace, selection, { revision, limit: options.limit, start: token.start });
  } catch (error) {
    if (!(error instanceof ApiError) || error.reason !== "Expired") throw error;
    throw continueExpired(token.start);
  }
}

/**
 * A token is good for as long as the store keeps its revision, also where the cache could still answer: which server is
 * asked, and what changed meanwhile, makes no difference. What comes out of the history says so itself. Linearizable: a
 * member that is asked for itself may not have come to that revision yet. @throws ApiError Expired
 */
async function checkHistory(store: StoreAccess, revision: number): Promise<void> {
  await store.range({ key: utf8("/registry/health"), countOnly: true, revision });
}

interface Cut {
  readonly revision: number;
  readonly limit: number;
  /** "" or the first key below the resource's prefix. */
  readonly start: string;
}

/** Nothing of this resource has changed since: the cache's state is the state of that revision. */
function isUnchangedSince(feed: StoreFeed, cache: ResourceCache, revision: number): boolean {
  return cache.changedAt <= revision && revision <= feed.revision;
}

async function atRevision(
  deps: ReadDeps,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  cut: Cut,
): Promise<Page> {
  if (isUnchangedSince(deps.feed, cache, cut.revision)) {
    const from = cut.start === "" ? undefined : cache.resource.prefix + cut.start;
    return cutPage(cache, cache.list(namespace, from), selection, cut.revision, cut.limit);
  }
  return await fromHistory(deps.store, cache, namespace, selection, cut);
}

function fromCache(
  feed: StoreFeed,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  options: ListOptions,
): Page {
  const { revision } = feed;
  if (selection.name !== undefined && (namespace !== "" || !cache.resource.info.namespaced)) {
    const one = cache.get(namespace, selection.name);
    const objects = one !== undefined && selection.matches(one) ? [one] : [];
    return { revision, objects, continueToken: "", remaining: undefined };
  }
  return cutPage(cache, cache.list(namespace), selection, revision, options.limit);
}

function cutPage(
  cache: ResourceCache,
  all: readonly CachedObject[],
  selection: Selection,
  revision: number,
  limit: number,
): Page {
  if (selection.everything) {
    const objects = limit > 0 ? all.slice(0, limit) : all;
    const remaining = all.length - objects.length;
    return {
      revision,
      objects,
      continueToken: remaining > 0 ? tokenAfter(cache, objects.at(-1), revision) : "",
      remaining: remaining > 0 ? remaining : undefined,
    };
  }
  const objects: CachedObject[] = [];
  for (const object of all) {
    if (!selection.matches(object)) continue;
    if (limit > 0 && objects.length === limit) {
      return { revision, objects, continueToken: tokenAfter(cache, objects.at(-1), revision), remaining: undefined };
    }
    objects.push(object);
  }
  return { revision, objects, continueToken: "", remaining: undefined };
}

function tokenAfter(cache: ResourceCache, last: CachedObject | undefined, revision: number): string {
  if (last === undefined) return "";
  return encodeContinue({ revision, start: `${last.key.slice(cache.resource.prefix.length)}\0` });
}

/** Reads the store at an old revision, page by page, until enough objects are selected. */
async function fromHistory(
  store: StoreAccess,
  cache: ResourceCache,
  namespace: string,
  selection: Selection,
  cut: Cut,
): Promise<Page> {
  const { prefix } = cache.resource;
  const whole = utf8(namespace === "" ? prefix : `${prefix}${namespace}/`);
  const rangeEnd = prefixEnd(whole);
  let key = cut.start === "" ? whole : utf8(prefix + cut.start);
  const objects: CachedObject[] = [];
  for (;;) {
    const page = await store.range({ key, rangeEnd, revision: cut.revision, limit: limits.rangePageKeys });
    for (const [index, kv] of page.kvs.entries()) {
      // What cannot be decrypted.
      if (kv.value.length === 0) continue;
      const object = cachedObject(cache.resource, fromUtf8(kv.key), kv.value, kv.modRevision);
      if (!selection.matches(object)) continue;
      if (cut.limit > 0 && objects.length === cut.limit) {
        const remaining = selection.everything ? page.count - index : undefined;
        const continueToken = tokenAfter(cache, objects.at(-1), cut.revision);
        return { revision: cut.revision, objects, continueToken, remaining };
      }
      objects.push(object);
    }
    const last = page.kvs.at(-1);
    if (!page.more || last === undefined) {
      return { revision: cut.revision, objects, continueToken: "", remaining: undefined };
    }
    key = new Uint8Array([...last.key, 0]);
  }
}

/** 410 with a token that goes on where the client was, at the present revision. */
function continueExpired(start: string): ApiError {
  const message =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list " +
    "without the continue parameter, or use the continue token in this response to retrieve the remainder of the " +
    "results. Continuing with the provided token results in an inconsistent list - objects that were created, " +
    "modified, or deleted between the time the first chunk was returned and now may show up in the list.";
  const status = failure("Expired", message);
  return new ApiError(Object.assign(status, { metadata: { continue: encodeContinue({ revision: -1, start }) } }));
}

/** 410 for a revision whose history is gone. */
export function tooOld(requested: number, oldest: number): ApiError {
  return expired(`too old resource version: ${requested} (${oldest})`);
}
