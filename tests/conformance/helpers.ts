import type { ResourceInfo } from "../../api/resources.ts";
import type { Api, Kubectl, Loose } from "./api.ts";
import { good, infoOf, pathIn } from "./lifecycle.ts";

/** What a check may use besides the API. */
export interface Surroundings {
  readonly kubectl: Kubectl;
  /** Takes away the store's history up to now, as time does by itself. */
  compact(): Promise<void>;
}

/** Throws where the cluster does not do what the behaviour asks. `namespace` is the check's own. */
export type Check = (api: Api, namespace: string, around: Surroundings) => Promise<void>;

export const core = (namespace: string) => `/api/v1/namespaces/${namespace}`;

export async function create(api: Api, namespace: string, info: ResourceInfo, object: Loose): Promise<Loose> {
  return good(await api.call("POST", pathIn(info, namespace), object), 201, `create ${info.kind}`);
}

/** A pod that nothing schedules. */
export function pod(name: string, spec: Loose = {}): Loose {
  const containers = [{ name: "c", image: "registry.k8s.io/pause:3.10" }];
  // No scheduler answers to this name: the pod stays as it is.
  return { metadata: { name }, spec: { containers, schedulerName: "none", ...spec } };
}

export async function items(api: Api, namespace: string, resource: string, query = ""): Promise<Loose[]> {
  return good(await api.call("GET", pathIn(infoOf(resource), namespace) + query), 200, `list ${resource}`).items;
}

const pollMs = 20;
const patienceMs = 30_000;

/** Asks until the answer is neither undefined nor false: controllers work in their own time. */
export async function eventually<T>(what: string, ask: () => Promise<T | undefined | false>): Promise<T> {
  for (let passed = 0; passed < patienceMs; passed += pollMs) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
  throw new Error(`not within ${patienceMs / 1000} s: ${what}`);
}

export async function gone(api: Api, path: string): Promise<void> {
  await eventually(`${path} goes`, async () => (await api.call("GET", path)).code === 404);
}

export async function count(api: Api, namespace: string, resource: string, wanted: number): Promise<void> {
  await eventually(
    `${wanted} ${resource}`,
    async () => (await items(api, namespace, resource)).length === wanted,
  );
}
