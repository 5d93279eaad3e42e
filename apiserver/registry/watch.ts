import { fromUtf8, prefixEnd, utf8 } from "../../base/bytes.ts";
import { type ApiError, tooManyRequests } from "../../api/status.ts";
import type { Timers } from "../../platform/mod.ts";
import { StoreError, type StoreEvent, type Watch } from "../../store/types.ts";
import { limits } from "../limits.ts";
import { type CachedObject, cachedObject } from "../watchcache/cached.ts";
import { Change, type FrameEncoder } from "../watchcache/change.ts";
import type { StoreFeed } from "../watchcache/feed.ts";
import type { WatchPacers } from "../watchcache/pacer.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import { ConvertingWatcher } from "../watchcache/converting_watcher.ts";
import { Watcher, type WatcherOptions } from "../watchcache/watcher.ts";
import { cacheAt, type ReadDeps, tooOld } from "./list.ts";
import type { ListOptions } from "./list_options.ts";
import type { Selection } from "./selection.ts";

/** How the changes of one watch are written. */
export interface WatchFormat {
  readonly encode: FrameEncoder;
  readonly sharedAs: string | undefined;
  /** @param initialEnd the bookmark that ends the initial events */
  readonly bookmark: (revision: number, initialEnd: boolean) => Uint8Array<ArrayBuffer>;
  /** A Status as the watch's last line. */
  readonly error: (error: ApiError) => Uint8Array<ArrayBuffer>;
}

/** What outlives one watch: how many there are, of those from history and of all long-running requests. */
export interface WatchCounts {
  historic: number;
  longRunning: number;
}

export interface WatchRequest {
  readonly cache: ResourceCache;
  readonly namespace: string;
  readonly selection: Selection;
  readonly options: ListOptions;
  readonly format: WatchFormat;
  /** How long changes may be kept to leave together; null: the client did not say. */
  readonly gatherMs: number | null;
  /** Called once, when the body has ended. */
  readonly onEnd: () => void;
}

type AnyWatcher = Watcher | ConvertingWatcher;

/**
 * A watch's body. Starts from the state (no revision, "0", sendInitialEvents) or from a revision: out of the cache's
 * ring, or out of the store's history until the ring takes over. @throws ApiError 410 Expired, 504 too large
 */
export async function startWatch(
  deps: ReadDeps & { timers: Timers; pacers: WatchPacers; counts: WatchCounts },
  request: WatchRequest,
): Promise<Pick<Watcher, "body">> {
  const watcher = await openWatch(deps, request);
  if (watcher instanceof ConvertingWatcher) await watcher.ready;
  return watcher;
}

async function openWatch(
  deps: ReadDeps & { timers: Timers; pacers: WatchPacers; counts: WatchCounts },
  request: WatchRequest,
): Promise<AnyWatcher> {
  const { options, cache } = request;
  const { resourceVersion } = options;
  const fromState = options.sendInitialEvents ?? (resourceVersion === "" || resourceVersion === "0");
  if (fromState || resourceVersion === "" || resourceVersion === "0") {
    // Without a revision the client may not be shown a state older than its own last write.
    const revision = resourceVersion === "" ? await deps.gate.revision() : Number(resourceVersion);
    await cacheAt(deps.feed, revision);
    const { feed } = deps;
    const initial = fromState ? selected(cache, request) : [];
    const marks = options.sendInitialEvents === true && options.allowWatchBookmarks;
    const last = marks ? request.format.bookmark(feed.revision, true) : null;
    const watcher = makeWatcher(deps, request, initial, last, feed.revision);
    cache.subscribe(watcher);
    return watcher;
  }
  const after = Number(resourceVersion);
  if (after > deps.feed.revision) await cacheAt(deps.feed, after);
  const changes = cache.changesAfter(after);
  const watcher = makeWatcher(deps, request, [], null, after);
  if (changes !== null) {
    for (const change of changes) watcher.offer(change);
    cache.subscribe(watcher);
    // Who changes its pace wants to know when it has caught up, and nothing else need happen to tell it.
    if (request.gatherMs !== null) watcher.bookmark(deps.feed.revision);
    return watcher;
  }
  if (deps.counts.historic >= limits.historicWatches) {
    throw tooManyRequests("Too many watches are being resumed from old revisions, please try again later.", 1);
  }
  deps.counts.historic++;
  try {
    await replay(deps, cache, watcher, after);
  } finally {
    deps.counts.historic--;
  }
  return watcher;
}

function selected(cache: ResourceCache, request: WatchRequest): CachedObject[] {
  const { namespace, selection } = request;
  // Selectors judge what is served: those that need a conversion are selected after it.
  if (cache.resource.form?.conversion !== undefined) return cache.list(namespace);
  return cache.list(namespace).filter((object) => selection.matches(object));
}

function makeWatcher(
  deps: { timers: Timers; pacers: WatchPacers; feed: StoreFeed },
  request: WatchRequest,
  initial: readonly CachedObject[],
  afterInitial: Uint8Array<ArrayBuffer> | null,
  after: number,
): AnyWatcher {
  const { cache, namespace, selection, options, format } = request;
  const { conversion } = cache.resource.form ?? {};
  const common: WatcherOptions = {
    pacer: deps.pacers.of(request.gatherMs),
    trigger: triggerOf(namespace, selection),
    matches: namespace === ""
      ? selection.matches
      : (object) => object.namespace === namespace && selection.matches(object),
    encode: format.encode,
    sharedAs: format.sharedAs,
    initial,
    afterInitial,
    after,
    bookmark: options.allowWatchBookmarks ? (revision) => format.bookmark(revision, false) : null,
    onEnd: () => {
      timer.cancel();
      cache.unsubscribe(watcher);
      request.onEnd();
    },
  };
  const watcher: AnyWatcher = conversion === undefined
    ? new Watcher(common)
    : new ConvertingWatcher({ ...common, conversion, resource: cache.resource, error: format.error });
  const timer = deps.timers.schedule(options.timeoutSeconds * 1000, () => {
    // A watch that is still being fed from history has not seen everything up to the feed's revision.
    if (cache.isSubscribed(watcher)) watcher.bookmark(deps.feed.revision);
    watcher.end();
  });
  return watcher;
}

/** The narrowest way in which the cache can find this watcher for a change. */
function triggerOf(namespace: string, selection: Selection): string | null {
  const node = selection.requires("spec.nodeName");
  if (node !== undefined && node !== "") return `spec.nodeName=${node}`;
  if (selection.name !== undefined && namespace !== "") return `name=${namespace}/${selection.name}`;
  return namespace === "" ? null : `namespace=${namespace}`;
}

/**
 * Feeds `watcher` from the store's own history until the ring reaches back far enough, then subscribes it. Resolves with
 * the first that the store delivers: a compacted revision is refused before the response begins.
 */
function replay(deps: ReadDeps, cache: ResourceCache, watcher: AnyWatcher, after: number): Promise<void> {
  const { resource } = cache;
  const key = utf8(resource.prefix);
  let reached = after;
  let source: Watch | null = null;
  let done = false;
  const finish = () => {
    done = true;
    source?.cancel();
  };
  const catchUp = () => {
    if (watcher.ended) return finish();
    const rest = cache.changesAfter(reached);
    if (rest === null) return;
    for (const change of rest) watcher.offer(change);
    cache.subscribe(watcher);
    finish();
  };
  return new Promise((resolve, reject) => {
    source = deps.store.store.watch(
      { key, rangeEnd: prefixEnd(key), startRevision: after + 1, prevKv: true },
      {
        onEvents: (events, revision) => {
          if (done) return;
          resolve();
          for (const event of events) watcher.offer(changeOf(cache, event));
          reached = revision;
          catchUp();
        },
        onProgress: (revision) => {
          if (done) return;
          resolve();
          reached = Math.max(reached, revision);
          catchUp();
        },
        onClose: (error) => {
          if (done) return;
          done = true;
          if (error instanceof StoreError && error.code === "Compacted") {
            reject(tooOld(after, error.compactRevision ?? 0));
          }
          // A lost member: the client resumes from the last change that it saw.
          watcher.end();
          resolve();
        },
      },
    );
    if (done) source.cancel();
    // Nothing may have happened since: then no event would come to end the replay.
    else source.requestProgress();
  });
}

function changeOf(cache: ResourceCache, event: StoreEvent): Change {
  const { resource } = cache;
  const key = fromUtf8(event.kv.key);
  const { prevKv } = event;
  const previous = prevKv === undefined ? null : cachedObject(resource, key, prevKv.value, prevKv.modRevision);
  const object = event.type === "put" ? cachedObject(resource, key, event.kv.value, event.kv.modRevision) : null;
  return new Change(resource, event.kv.modRevision, object, previous);
}
