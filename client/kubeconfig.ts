/** What a context of a kubeconfig is made of; certificates and key as PEM text. */
export interface KubeContext {
  readonly name: string;
  /** `https://host:port` */
  readonly server: string;
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

type Fields = Record<string, unknown>;

/**
 * The kubeconfig with `context` (and a cluster and a user of the same name) added or replaced, and made current. What
 * else it holds stays, in its order. @param config the parsed file, or null for none
 */
export function mergeContext(config: unknown, context: KubeContext): Fields {
  const { name, server } = context;
  const base = fieldsOf(config);
  return {
    ...base,
    apiVersion: base["apiVersion"] ?? "v1",
    kind: base["kind"] ?? "Config",
    preferences: base["preferences"] ?? {},
    clusters: put(base["clusters"], {
      name,
      cluster: { server, "certificate-authority-data": base64(context.ca) },
    }),
    users: put(base["users"], {
      name,
      user: { "client-certificate-data": base64(context.cert), "client-key-data": base64(context.key) },
    }),
    contexts: put(base["contexts"], { name, context: { cluster: name, user: name } }),
    "current-context": name,
  };
}

/**
 * The kubeconfig without the context `name`, and without its cluster and user unless another context uses them. A current
 * context that is the removed one becomes "". Removing what is not there changes nothing.
 */
export function removeContext(config: unknown, name: string): Fields {
  const base = fieldsOf(config);
  const contexts = named(base["contexts"]);
  const removed = contexts.find((each) => each["name"] === name);
  const kept = contexts.filter((each) => each !== removed);
  const used = (field: string) => new Set(kept.map((each) => fieldsOf(each["context"])[field]));
  const target = fieldsOf(removed?.["context"]);
  const without = (list: unknown, field: "cluster" | "user") => {
    const gone = target[field] ?? name;
    return used(field).has(gone) ? named(list) : named(list).filter((each) => each["name"] !== gone);
  };
  return {
    ...base,
    clusters: without(base["clusters"], "cluster"),
    users: without(base["users"], "user"),
    contexts: kept,
    ...(base["current-context"] === name ? { "current-context": "" } : {}),
  };
}

function put(list: unknown, entry: { name: string } & Fields): Fields[] {
  const entries = named(list);
  const at = entries.findIndex((each) => each["name"] === entry.name);
  if (at === -1) return [...entries, entry];
  return entries.with(at, entry);
}

function named(list: unknown): Fields[] {
  return Array.isArray(list) ? list.map(fieldsOf) : [];
}

function fieldsOf(value: unknown): Fields {
  // Narrowed by the check: an object that is no array has string keys.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? value as Fields : {};
}

function base64(pem: string): string {
  // PEM is ASCII, which is what btoa takes.
  return btoa(pem);
}
