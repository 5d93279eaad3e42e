import { utf8 } from "../base/bytes.ts";
import type { KubeObject } from "../api/meta.ts";
import { apiVersionOf, pathOf, pods, type ResourceInfo } from "../api/resources.ts";
import { ApiError, errorFromBody } from "./errors.ts";
import { loadMsgpack, type MsgpackCodec } from "./msgpack.ts";
import type {
  DeleteOptions,
  ListOptions,
  ObjectList,
  PatchType,
  RestClient,
  Transport,
  WatchChange,
  WatchOptions,
} from "./types.ts";
import { chunksOf, frameSplitter, jsonType, lineSplitter, msgpackType, parseJson } from "./wire.ts";

export interface RestOptions {
  readonly encoding: "json" | "msgpack";
  readonly userAgent: string;
}

const patchTypes: Readonly<Record<PatchType, string>> = {
  json: "application/json-patch+json",
  merge: "application/merge-patch+json",
  strategic: "application/strategic-merge-patch+json",
};

interface Call {
  readonly body?: unknown;
  readonly contentType?: string;
  readonly signal?: AbortSignal;
}

/** Typed access over `transport`. With `msgpack` bodies travel as msgpack both ways; patches and errors may be JSON. */
export function createRestClient(transport: Transport, options: RestOptions): RestClient {
  let codec: Promise<MsgpackCodec> | null = null;
  const msgpack = () => codec ??= loadMsgpack();
  const accept = options.encoding === "msgpack" ? `${msgpackType}, ${jsonType};q=0.9` : jsonType;
  const acceptWatch = options.encoding === "msgpack" ? `${msgpackType};stream=watch, ${jsonType};q=0.9` : jsonType;

  async function decode(response: Response): Promise<unknown> {
    const bytes = new Uint8Array(await response.arrayBuffer());
    if (bytes.length === 0) return undefined;
    if (isMsgpack(response)) return (await msgpack()).decode(bytes);
    return parseJson(bytes);
  }

  async function call(method: string, path: string, init: Call = {}): Promise<unknown> {
    const headers: Record<string, string> = { accept, "user-agent": options.userAgent };
    let body: Uint8Array | undefined;
    if (init.body !== undefined) {
      const contentType = init.contentType ?? (options.encoding === "msgpack" ? msgpackType : jsonType);
      headers["content-type"] = contentType;
      body = contentType === msgpackType ? (await msgpack()).encode(init.body) : utf8(JSON.stringify(init.body));
    }
    const response = await transport(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body }),
      ...(init.signal === undefined ? {} : { signal: init.signal }),
    });
    if (!response.ok) throw await failure(response, decode);
    return await decode(response);
  }

  async function* watch<T extends KubeObject>(
    info: ResourceInfo,
    watchOptions: WatchOptions,
  ): AsyncGenerator<WatchChange<T>> {
    const { signal } = watchOptions;
    if (signal?.aborted) return;
    try {
      const response = await transport(pathOf(info, watchOptions.namespace) + queryOf(watchOptions, true), {
        method: "GET",
        headers: {
          accept: acceptWatch,
          "user-agent": options.userAgent,
          ...(watchOptions.gatherMs === undefined ? {} : { prefer: `gather=${watchOptions.gatherMs}` }),
        },
        stream: true,
        ...(signal === undefined ? {} : { signal }),
      });
      if (!response.ok) throw await failure(response, decode);
      const binary = isMsgpack(response);
      const splitter = binary ? frameSplitter() : lineSplitter();
      const parse = binary ? (await msgpack()).decode : parseJson;
      for await (const chunk of chunksOf(response.body)) {
        // The one place where a watch change is trusted to have the shape that the API promises.
        for (const message of splitter.push(chunk)) yield parse(message) as WatchChange<T>;
        if (signal?.aborted) return;
      }
    } catch (error) {
      if (signal?.aborted) return;
      throw error;
    }
  }

  // `as T` below: the caller names the type of the resource that the path addresses; the server validated it.
  return {
    async get<T extends KubeObject>(info: ResourceInfo, name: string, namespace?: string): Promise<T> {
      return await call("GET", pathOf(info, namespace, name)) as T;
    },
    async list<T extends KubeObject>(info: ResourceInfo, listOptions: ListOptions = {}): Promise<ObjectList<T>> {
      const list = await call("GET", pathOf(info, listOptions.namespace) + queryOf(listOptions, false)) as Partial<
        ObjectList<T>
      >;
      return { items: list.items ?? [], metadata: list.metadata ?? {} };
    },
    async create<T extends KubeObject>(info: ResourceInfo, object: T): Promise<T> {
      return await call("POST", pathOf(info, object.metadata?.namespace), { body: typed(info, object) }) as T;
    },
    async update<T extends KubeObject>(info: ResourceInfo, object: T, subresource?: string): Promise<T> {
      const path = pathOf(info, object.metadata?.namespace, object.metadata?.name, subresource);
      return await call("PUT", path, { body: typed(info, object) }) as T;
    },
    async patch<T extends KubeObject>(
      info: ResourceInfo,
      target: { name: string; namespace?: string; subresource?: string },
      type: PatchType,
      patch: unknown,
    ): Promise<T> {
      const path = pathOf(info, target.namespace, target.name, target.subresource);
      return await call("PATCH", path, { body: patch, contentType: patchTypes[type] }) as T;
    },
    async delete(info, name, namespace, deleteOptions = {}) {
      await call("DELETE", pathOf(info, namespace, name), { body: deleteBody(deleteOptions) });
    },
    async deleteCollection(info, collectionOptions) {
      const path = pathOf(info, collectionOptions.namespace) + queryOf(collectionOptions, false);
      await call("DELETE", path, { body: deleteBody(collectionOptions) });
    },
    async bind(namespace, name, uid, nodeName) {
      await call("POST", pathOf(pods, namespace, name, "binding"), {
        body: {
          apiVersion: "v1",
          kind: "Binding",
          metadata: { name, namespace, uid },
          target: { apiVersion: "v1", kind: "Node", name: nodeName },
        },
      });
    },
    async createSubresource<R>(
      info: ResourceInfo,
      target: { name: string; namespace?: string; subresource: string },
      body: unknown,
    ): Promise<R> {
      return await call("POST", pathOf(info, target.namespace, target.name, target.subresource), { body }) as R;
    },
    watch,
    raw: (path) => transport(path, { method: "GET", headers: { accept: "*/*", "user-agent": options.userAgent } }),
  };
}

function isMsgpack(response: Response): boolean {
  return (response.headers.get("content-type") ?? "").startsWith(msgpackType);
}

/** apiVersion and kind are what the path says; objects out of a list do not carry them. */
function typed<T extends KubeObject>(info: ResourceInfo, object: T): T {
  if (object.apiVersion !== undefined && object.kind !== undefined) return object;
  return { ...object, apiVersion: apiVersionOf(info), kind: info.kind };
}

function deleteBody(options: DeleteOptions): unknown {
  const { gracePeriodSeconds, propagationPolicy, preconditions } = options;
  return {
    apiVersion: "v1",
    kind: "DeleteOptions",
    ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }),
    ...(propagationPolicy === undefined ? {} : { propagationPolicy }),
    ...(preconditions === undefined ? {} : { preconditions }),
  };
}

function queryOf(options: WatchOptions, watch: boolean): string {
  const query = new URLSearchParams();
  if (watch) query.set("watch", "true");
  if (options.labelSelector) query.set("labelSelector", options.labelSelector);
  if (options.fieldSelector) query.set("fieldSelector", options.fieldSelector);
  if (options.resourceVersion !== undefined) query.set("resourceVersion", options.resourceVersion);
  if (options.resourceVersionMatch !== undefined) query.set("resourceVersionMatch", options.resourceVersionMatch);
  if (options.limit !== undefined) query.set("limit", String(options.limit));
  if (options.continue !== undefined) query.set("continue", options.continue);
  if (options.allowWatchBookmarks) query.set("allowWatchBookmarks", "true");
  if (options.sendInitialEvents) query.set("sendInitialEvents", "true");
  if (options.timeoutSeconds !== undefined) query.set("timeoutSeconds", String(options.timeoutSeconds));
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

async function failure(response: Response, decode: (response: Response) => Promise<unknown>): Promise<ApiError> {
  let body: unknown;
  try {
    body = await decode(response);
  } catch {
    // A proxy's page, or a body cut short: the HTTP status alone has to do.
  }
  const error = errorFromBody(response.status, body);
  const retryAfterSeconds = Number(response.headers.get("retry-after") ?? "");
  if (!(retryAfterSeconds > 0) || error.retryAfterSeconds !== undefined) return error;
  return new ApiError({ ...error.status, details: { ...error.status.details, retryAfterSeconds } });
}
