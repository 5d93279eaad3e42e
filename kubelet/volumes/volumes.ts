import { utf8 } from "../../base/bytes.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, Volume } from "../../api/gen/types.ts";
import { configMaps, secrets, serviceAccounts } from "../../api/resources.ts";
import { parseTime } from "../../api/time.ts";
import { isNotFound, type RestClient } from "../../client/mod.ts";
import type { Clock, Disk } from "../../platform/mod.ts";
import { fieldValue } from "../core/env.ts";
import { resourceFieldText } from "../core/resources.ts";
import { innerPath, listIfPresent, readIfPresent, replaceFile } from "../files.ts";
import * as limits from "../limits.ts";

/** A volume cannot be made now: `volume` and why. */
export class VolumeError extends Error {
  override readonly name = "VolumeError";
  readonly volume: string;
  constructor(volume: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.volume = volume;
  }
}

export interface VolumeContext {
  readonly podIP: string;
  readonly hostIP: string;
  readonly nodeName: string;
  readonly allocatable: Readonly<Record<string, string>>;
}

export interface Volumes {
  /** Makes what is missing, brings the rest up to date. @returns host path by volume name; throws VolumeError */
  setUp(pod: Readonly<Pod>, context: VolumeContext): Promise<Map<string, string>>;
  /** Whether files made from API objects are due to be read again. */
  isStale(pod: Readonly<Pod>): boolean;
  /** Removes the pod's directory, its sandboxes being gone. Idempotent. */
  tearDown(podUid: string): Promise<void>;
}

/** Path below the volume to content. */
type Files = Map<string, Uint8Array>;

/** A projected service account token is renewed after this part of its life, as upstream. */
const tokenRenewAfter = 0.8;

interface Token {
  readonly text: string;
  readonly renewAtMs: number;
}

/** emptyDir, configMap, secret, downwardAPI, projected and hostPath as directories of plain files. */
export function createVolumes(
  dataDirectory: string,
  deps: { readonly client: RestClient; readonly disk: Disk; readonly clock: Clock },
): Volumes {
  const { client, disk, clock } = deps;
  const readAt = new Map<string, number>();
  const tokens = new Map<string, Map<string, Token>>();

  async function filesOf(pod: Readonly<Pod>, volume: Volume, context: VolumeContext): Promise<Files> {
    const files: Files = new Map();
    if (volume.configMap !== undefined) {
      const { name = "", items, optional } = volume.configMap;
      await addConfigMap(files, pod, volume.name, { name, items, optional });
    } else if (volume.secret !== undefined) {
      const { secretName = "", items, optional } = volume.secret;
      await addSecret(files, pod, volume.name, { name: secretName, items, optional });
    } else if (volume.downwardAPI !== undefined) {
      addDownward(files, pod, volume.name, volume.downwardAPI.items ?? [], context);
    } else {
      for (const source of volume.projected?.sources ?? []) {
        if (source.configMap !== undefined) {
          await addConfigMap(files, pod, volume.name, { ...source.configMap, name: source.configMap.name ?? "" });
        } else if (source.secret !== undefined) {
          await addSecret(files, pod, volume.name, { ...source.secret, name: source.secret.name ?? "" });
        } else if (source.downwardAPI !== undefined) {
          addDownward(files, pod, volume.name, source.downwardAPI.items ?? [], context);
        } else if (source.serviceAccountToken !== undefined) {
          const { path, audience, expirationSeconds = 3600 } = source.serviceAccountToken;
          const token = await tokenFor(pod, volume.name, audience ?? "", expirationSeconds);
          put(files, volume.name, path, utf8(token));
        } else {
          throw new VolumeError(volume.name, "a projected source of this kind is not supported");
        }
      }
    }
    return files;
  }

  async function addConfigMap(files: Files, pod: Readonly<Pod>, volume: string, ref: Reference): Promise<void> {
    const object = await find<ConfigMap & KubeObject>(() => client.get(configMaps, ref.name, pod.metadata?.namespace));
    if (object === null) return missing(volume, "configmap", ref);
    const data = new Map<string, Uint8Array>();
    for (const [key, text] of Object.entries(object.data ?? {})) data.set(key, utf8(text));
    for (const [key, text] of Object.entries(object.binaryData ?? {})) data.set(key, fromBase64(text));
    select(files, volume, data, ref, `configmap references non-existent config key`);
  }

  async function addSecret(files: Files, pod: Readonly<Pod>, volume: string, ref: Reference): Promise<void> {
    const object = await find<Secret & KubeObject>(() => client.get(secrets, ref.name, pod.metadata?.namespace));
    if (object === null) return missing(volume, "secret", ref);
    const data = new Map<string, Uint8Array>();
    for (const [key, text] of Object.entries(object.data ?? {})) data.set(key, fromBase64(text));
    select(files, volume, data, ref, `references non-existent secret key`);
  }

  async function tokenFor(pod: Readonly<Pod>, volume: string, audience: string, expires: number): Promise<string> {
    const { namespace = "", name = "", uid = "" } = pod.metadata ?? {};
    const ofPod = tokens.get(uid) ?? new Map<string, Token>();
    tokens.set(uid, ofPod);
    const key = `${audience}\n${expires}`;
    const known = ofPod.get(key);
    if (known !== undefined && clock.now() < known.renewAtMs) return known.text;
    const account = pod.spec?.serviceAccountName ?? "default";
    let answer: TokenAnswer;
    try {
      answer = await client.createSubresource<TokenAnswer>(
        serviceAccounts,
        { name: account, namespace, subresource: "token" },
        {
          apiVersion: "authentication.k8s.io/v1",
          kind: "TokenRequest",
          metadata: {},
          spec: {
            audiences: audience === "" ? [] : [audience],
            expirationSeconds: expires,
            boundObjectRef: { kind: "Pod", apiVersion: "v1", name, uid },
          },
        },
      );
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new VolumeError(volume, `failed to fetch token: ${message}`, { cause: error });
    }
    const { token = "", expirationTimestamp = "" } = answer.status ?? {};
    const now = clock.now();
    const lifeMs = (parseTime(expirationTimestamp) ?? now + expires * 1000) - now;
    ofPod.set(key, { text: token, renewAtMs: now + lifeMs * tokenRenewAfter });
    return token;
  }

  return {
    async setUp(pod, context) {
      const uid = pod.metadata?.uid ?? "";
      const paths = new Map<string, string>();
      for (const volume of pod.spec?.volumes ?? []) {
        if (volume.hostPath !== undefined) {
          paths.set(volume.name, volume.hostPath.path);
          continue;
        }
        const directory = `${dataDirectory}/pods/${uid}/volumes/${volume.name}`;
        paths.set(volume.name, directory);
        await disk.mkdir(directory);
        if (volume.emptyDir !== undefined) continue;
        if (
          volume.configMap === undefined && volume.secret === undefined && volume.downwardAPI === undefined &&
          volume.projected === undefined
        ) throw new VolumeError(volume.name, "volumes of this kind are not supported on this node");
        await writeFiles(disk, directory, volume.name, await filesOf(pod, volume, context));
      }
      readAt.set(uid, clock.monotonic());
      return paths;
    },
    isStale(pod) {
      const at = readAt.get(pod.metadata?.uid ?? "");
      const fromApi = (pod.spec?.volumes ?? []).some((each) =>
        each.emptyDir === undefined && each.hostPath === undefined
      );
      return fromApi && at !== undefined && clock.monotonic() - at > limits.volumeRefreshMs;
    },
    async tearDown(podUid) {
      readAt.delete(podUid);
      tokens.delete(podUid);
      await disk.remove(`${dataDirectory}/pods/${podUid}`, { recursive: true });
    },
  };
}

interface TokenAnswer {
  readonly status?: { readonly token?: string; readonly expirationTimestamp?: string };
}

interface Reference {
  readonly name: string;
  readonly items?: readonly KeyToPath[] | undefined;
  readonly optional?: boolean | undefined;
}

/** Null when the object is not there; other failures are the caller's. */
export async function find<T>(get: () => Promise<T>): Promise<T | null> {
  try {
    return await get();
  } catch (error) {
    if (isNotFound(error)) return null;
    throw error;
  }
}

function missing(volume: string, kind: string, ref: Reference): void {
  if (ref.optional !== true) throw new VolumeError(volume, `${kind} "${ref.name}" not found`);
}

export function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function put(files: Files, volume: string, path: string, content: Uint8Array): void {
  const inner = innerPath(path);
  if (inner === null || inner === "") throw new VolumeError(volume, `invalid path "${path}"`);
  files.set(inner, content);
}

function select(
  files: Files,
  volume: string,
  data: ReadonlyMap<string, Uint8Array>,
  ref: Reference,
  complaint: string,
): void {
  let bytes = 0;
  const wanted = ref.items === undefined || ref.items.length === 0
    ? [...data.keys()].map((key) => ({ key, path: key }))
    : ref.items;
  for (const { key, path } of wanted) {
    const content = data.get(key);
    if (content === undefined) {
      if (ref.optional === true) continue;
      throw new VolumeError(volume, `${complaint}: ${key}`);
    }
    bytes += content.length;
    if (bytes > limits.maxVolumeBytes) throw new VolumeError(volume, `larger than ${limits.maxVolumeBytes} bytes`);
    put(files, volume, path, content);
  }
}

function addDownward(
  files: Files,
  pod: Readonly<Pod>,
  volume: string,
  items: readonly DownwardAPIVolumeFile[],
  context: VolumeContext,
): void {
  for (const { path, fieldRef, resourceFieldRef } of items) {
    let text: string | null = null;
    if (fieldRef !== undefined) text = fieldValue(pod, fieldRef.fieldPath, context);
    else if (resourceFieldRef !== undefined) {
      const { containerName, resource, divisor = "0" } = resourceFieldRef;
      const container = [...pod.spec?.initContainers ?? [], ...pod.spec?.containers ?? []]
        .find((each) => each.name === containerName);
      if (container !== undefined) text = resourceFieldText(container, resource, divisor, context.allocatable);
    }
    if (text === null) throw new VolumeError(volume, `unsupported downward API item for "${path}"`);
    put(files, volume, path, utf8(text));
  }
}

/** Each file is replaced whole; files that are no longer there go. A set of files changes one after the other. */
async function writeFiles(disk: Disk, directory: string, volume: string, files: Files): Promise<void> {
  try {
    for (const [path, content] of files) {
      const full = directory + path;
      const old = await readIfPresent(disk, full);
      if (old !== null && old.length === content.length && old.every((byte, i) => byte === content[i])) continue;
      await disk.mkdir(full.slice(0, full.lastIndexOf("/")));
      await replaceFile(disk, full, content);
    }
    const kept = new Set([...files.keys()].map((path) => path.split("/")[1]));
    for (const name of await listIfPresent(disk, directory)) {
      if (!kept.has(name)) await disk.remove(`${directory}/${name}`, { recursive: true });
    }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new VolumeError(volume, message, { cause: error });
  }
}
