import { parseYaml } from "../../api/codec/yaml.ts";
import type { KubeObject } from "../../api/meta.ts";
import { type ResourceInfo, resources } from "../../api/resources.ts";

/** What can be applied: objects, or the path of a YAML file with any number of documents. */
export type Manifest = string | KubeObject | readonly KubeObject[];

function isObject(value: unknown): value is KubeObject {
  return typeof value === "object" && value !== null && "apiVersion" in value && "kind" in value;
}

function isList(manifest: KubeObject | readonly KubeObject[]): manifest is readonly KubeObject[] {
  return Array.isArray(manifest);
}

/** @throws TypeError for a document that is no Kubernetes object, YamlSyntaxError for one that is no YAML */
export async function objectsOf(manifest: Manifest): Promise<readonly KubeObject[]> {
  if (typeof manifest === "string") return parseManifest(await Deno.readTextFile(manifest));
  return isList(manifest) ? manifest : [manifest];
}

function parseManifest(text: string): KubeObject[] {
  const documents = text.split(/^---.*$/m).map((part) => parseYaml(part).value).filter((value) => value != null);
  return documents.map((value) => {
    if (isObject(value)) return value;
    throw new TypeError(`Not a Kubernetes object: ${JSON.stringify(value)?.slice(0, 100)}`);
  });
}

/** @throws TypeError for a kind that is not served */
export function resourceOf(object: KubeObject): ResourceInfo {
  const { apiVersion = "", kind = "" } = object;
  const info = resources.find((each) =>
    each.kind === kind && apiVersion === (each.group === "" ? each.version : `${each.group}/${each.version}`)
  );
  if (info === undefined) throw new TypeError(`No resource of kind ${kind} in ${apiVersion}`);
  return info;
}
