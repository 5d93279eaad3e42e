import { dig, isRecord, items, type Json, record, text, texts } from "../dig.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { callRemote, identityLines, readJson } from "./call.ts";
import type { RemoteDocuments, RemoteSpec } from "./remote.ts";

const aggregated = ["v2", "v2beta1"].map((version) =>
  `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`
);

/**
 * What a remote server says of one group version: discovery, in the aggregated form or made from the older one, and
 * OpenAPI. A document that it does not have leaves what was known. @throws what the network says, when discovery fails
 */
export async function fetchDocuments(
  registry: Registry,
  spec: RemoteSpec,
  known: RemoteDocuments,
  stopping: AbortSignal,
): Promise<RemoteDocuments> {
  const { group = "", version = "" } = spec;
  const ask = async (path: string, accept: string, user: string, groups: readonly string[]) => {
    const headers = [["accept", accept] as const, ...identityLines({ name: user, uid: "", groups })];
    const abort = new AbortController();
    const timer = registry.timers.schedule(limits.remoteCallMs, () => abort.abort());
    try {
      const call = { method: "GET", path, headers, body: null, signal: AbortSignal.any([abort.signal, stopping]) };
      const response = await callRemote(registry, spec, call);
      if (response.status === 200) return await readJson(response);
      await response.body?.cancel();
      return null;
    } finally {
      timer.cancel();
    }
  };
  const discover = (path: string, accept: string) => ask(path, accept, "system:kube-aggregator", ["system:masters"]);
  const schema = (path: string) => ask(path, "application/json", "system:aggregator", []).catch(() => null);
  const all = await discover("/apis", [...aggregated, "application/json"].join(","));
  const resources = fromAggregated(all, group, version) ??
    fromLegacy(await discover(`/apis/${group}/${version}`, "application/json"), group, version);
  const index = await schema("/openapi/v3");
  const url = text(dig(index, "paths", `apis/${group}/${version}`, "serverRelativeURL"));
  const hash = /[?&]hash=([^&]*)/.exec(url)?.[1];
  const v2 = await schema("/openapi/v2");
  return {
    resources: resources ?? known.resources,
    fresh: true,
    openApiHash: hash ?? known.openApiHash,
    openApiV2: v2 === null ? known.openApiV2 : ownPart(v2, `/apis/${group}/${version}/`),
  };
}

function fromAggregated(document: unknown, group: string, version: string): Json[] | null {
  if (dig(document, "kind") !== "APIGroupDiscoveryList") return null;
  const found = items(dig(document, "items")).find((it) => dig(it, "metadata", "name") === group);
  const versions = items(dig(found, "versions")).filter((it) => dig(it, "version") === version);
  return versions.length === 0 ? null : items(dig(versions[0], "resources")).map(record);
}

/** An APIResourceList in the terms of aggregated discovery. */
function fromLegacy(document: unknown, group: string, version: string): Json[] | null {
  if (dig(document, "kind") !== "APIResourceList") return null;
  const entries = new Map<string, Json>();
  const subresources = new Map<string, Json[]>();
  for (const it of items(dig(document, "resources"))) {
    const [name = "", subresource] = text(dig(it, "name")).split("/");
    const responseKind = {
      group: text(dig(it, "group")) || group,
      version: text(dig(it, "version")) || version,
      kind: text(dig(it, "kind")),
    };
    const verbs = texts(dig(it, "verbs"));
    if (subresource !== undefined) {
      subresources.set(name, [...subresources.get(name) ?? [], { subresource, responseKind, verbs }]);
      continue;
    }
    const shortNames = texts(dig(it, "shortNames"));
    const categories = texts(dig(it, "categories"));
    entries.set(name, {
      resource: name,
      responseKind,
      scope: dig(it, "namespaced") === true ? "Namespaced" : "Cluster",
      singularResource: text(dig(it, "singularName")),
      verbs,
      ...(shortNames.length > 0 ? { shortNames } : {}),
      ...(categories.length > 0 ? { categories } : {}),
    });
  }
  return [...entries].map(([name, entry]) => {
    const below = subresources.get(name);
    return below === undefined ? entry : { ...entry, subresources: below };
  });
}

/** The paths below `prefix`, and the definitions that they need. */
function ownPart(document: unknown, prefix: string): RemoteDocuments["openApiV2"] {
  const paths = Object.fromEntries(
    Object.entries(record(dig(document, "paths"))).filter(([path]) => path.startsWith(prefix)),
  );
  const all = record(dig(document, "definitions"));
  const definitions: Json = {};
  const add = (value: unknown): void => {
    if (Array.isArray(value)) return value.forEach(add);
    if (!isRecord(value)) return;
    const name = /^#\/definitions\/(.+)$/.exec(text(value["$ref"]))?.[1];
    if (name !== undefined && Object.hasOwn(all, name) && !Object.hasOwn(definitions, name)) {
      definitions[name] = all[name];
      add(all[name]);
    }
    for (const inner of Object.values(value)) add(inner);
  };
  add(paths);
  return { paths, definitions };
}
