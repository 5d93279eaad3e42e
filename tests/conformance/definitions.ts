import type { Api, Events, Loose } from "./api.ts";
import { eventually } from "./helpers.ts";
import { good } from "./lifecycle.ts";

export const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";

export interface Version {
  readonly name: string;
  readonly served?: boolean;
  readonly storage?: boolean;
  /** openAPIV3Schema; by default an object of unknown fields. */
  readonly schema?: Loose;
  readonly [more: string]: unknown;
}

export interface Definition {
  readonly name: string;
  readonly group: string;
  readonly kind: string;
  readonly plural: string;
  /** The collection. @param namespace "" for what is cluster-scoped */
  path(version: string, namespace: string, name?: string): string;
}

/** Each apiserver in turn may be the one that has not heard yet. */
const everyServerTwice = 6;

/** True once every apiserver says so. */
export async function everywhere(what: string, ask: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => {
    for (let i = 0; i < everyServerTwice; i++) if (!await ask()) return false;
    return true;
  });
}

/** Creates a definition and waits until every apiserver serves it. @param stem letters, the kind's name */
export async function define(
  api: Api,
  group: string,
  stem: string,
  versions: readonly Version[],
  spec: Loose = {},
): Promise<Definition> {
  const kind = stem.charAt(0).toUpperCase() + stem.slice(1);
  const plural = `${stem}s`;
  const name = `${plural}.${group}`;
  const object = {
    metadata: { name },
    spec: {
      group,
      scope: "Namespaced",
      names: { plural, singular: stem, kind, listKind: `${kind}List` },
      versions: versions.map(versionOf),
      ...spec,
    },
  };
  good(await api.call("POST", definitions, object), 201, `define ${name}`);
  const definition: Definition = {
    name,
    group,
    kind,
    plural,
    path: (version, namespace, own = "") =>
      `/apis/${group}/${version}${namespace === "" ? "" : `/namespaces/${namespace}`}/${plural}` +
      (own === "" ? "" : `/${own}`),
  };
  for (const version of versions) {
    if (version.served === false) continue;
    await everywhere(
      `${name} is served`,
      async () => (await api.call("GET", definition.path(version.name, ""))).code === 200,
    );
  }
  return definition;
}

export function versionOf({ name, served = true, storage = false, schema, ...more }: Version): Loose {
  const openAPIV3Schema = schema ?? { type: "object", "x-kubernetes-preserve-unknown-fields": true };
  return { name, served, storage, schema: { openAPIV3Schema }, ...more };
}

export async function undefine(api: Api, { name }: Definition): Promise<void> {
  good(await api.call("DELETE", `${definitions}/${name}`), 200, `delete ${name}`);
  await eventually(`${name} goes`, async () => (await api.call("GET", `${definitions}/${name}`)).code === 404);
}

/** `TYPE name` of the next `count` events that are no bookmarks. */
export async function changes(events: Events, count: number): Promise<string[]> {
  const found: string[] = [];
  while (found.length < count) {
    const event = await events.next();
    if (event === null) break;
    if (event.type !== "BOOKMARK") found.push(`${event.type} ${event.object.metadata.name}`);
  }
  return found;
}
