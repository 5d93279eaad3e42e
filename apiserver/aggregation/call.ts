import { decodeBase64 } from "../../api/base64.ts";
import { fromUtf8 } from "../../base/bytes.ts";
import type { UpgradeAnswer } from "../../platform/mod.ts";
import { escapeKey, headerOfText } from "../authn/header_text.ts";
import type { User } from "../authn/user.ts";
import { limits } from "../limits.ts";
import type { Registry } from "../registry/context.ts";
import { serviceAddress } from "../service_address.ts";
import type { RemoteSpec } from "./remote.ts";

/** There is nowhere to send a request to, or nothing to send it with. */
export class NoPlaceError extends Error {
  override readonly name = "NoPlaceError";
}

export type HeaderLines = readonly (readonly [name: string, value: string])[];

export interface RemoteUpgrade {
  readonly method: string;
  /** With its query. */
  readonly path: string;
  readonly headers: HeaderLines;
  readonly signal: AbortSignal;
}

export interface RemoteCall extends RemoteUpgrade {
  readonly body: Uint8Array | null;
  /** True: any certificate will do; never for a user's request. */
  readonly unverified?: boolean;
}

/**
 * One request to the server behind an APIService, dialled at one of its Service's endpoints by the name that its
 * certificate must show, as the front proxy. @throws NoPlaceError, or what the network says
 */
export async function callRemote(registry: Registry, spec: RemoteSpec, call: RemoteCall): Promise<Response> {
  const { callHttps } = registry;
  if (callHttps === undefined) throw new NoPlaceError("this server reaches no other");
  const target = targetOf(registry, spec, call);
  return await callHttps({ ...target, body: call.body, insecure: call.unverified === true || target.insecure });
}

/** The same for a request that asks for another protocol. */
export async function upgradeRemote(registry: Registry, spec: RemoteSpec, call: RemoteUpgrade): Promise<UpgradeAnswer> {
  const { upgradeHttps } = registry;
  if (upgradeHttps === undefined) throw new NoPlaceError("this server upgrades no connection to another");
  return await upgradeHttps(targetOf(registry, spec, call));
}

function targetOf(registry: Registry, spec: RemoteSpec, call: RemoteUpgrade) {
  const { frontProxy } = registry.config;
  if (frontProxy === undefined) throw new NoPlaceError("this server has no front proxy");
  const { name = "", namespace = "", port = 443 } = spec.service;
  const via = serviceAddress(registry, { name, namespace, port });
  if (via === null) throw new NoPlaceError(`no endpoints available for service ${JSON.stringify(name)}`);
  const ca = spec.caBundle === undefined ? undefined : decodeBase64(spec.caBundle);
  return {
    url: `https://${name}.${namespace}.svc:${port}${call.path}`,
    method: call.method,
    headers: call.headers,
    via,
    identity: frontProxy,
    insecure: spec.insecureSkipTLSVerify === true,
    signal: call.signal,
    ...(ca === undefined ? {} : { ca: fromUtf8(ca) }),
  };
}

/** Who asks, in the headers that only a front proxy may set. */
export function identityLines(user: Pick<User, "name" | "uid" | "groups" | "extra">): HeaderLines {
  return [
    ["x-remote-user", headerOfText(user.name)],
    ...(user.uid === "" ? [] : [["x-remote-uid", headerOfText(user.uid)] as const]),
    ...user.groups.map((group) => ["x-remote-group", headerOfText(group)] as const),
    ...Object.entries(user.extra ?? {}).flatMap(([key, values]) =>
      values.map((value) => [`x-remote-extra-${escapeKey(key)}`, headerOfText(value)] as const)
    ),
  ];
}

/** A bounded body, as JSON. @throws Error when it is too large, SyntaxError when it is none */
export async function readJson(response: Response): Promise<unknown> {
  const decoder = new TextDecoder();
  let body = "";
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > limits.remoteDocumentBytes) throw new Error("the answer is too large");
    body += decoder.decode(chunk, { stream: true });
  }
  return JSON.parse(body + decoder.decode());
}
