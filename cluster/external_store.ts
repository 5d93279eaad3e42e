import { CliError, exitCode } from "./errors.ts";
import type { ExternalStore } from "./spec.ts";

/** `--store etcd://host:port,...` and the files of its TLS flags. */
export interface ExternalStoreRequest {
  readonly url: string;
  /** Paths of PEM files. `caFile` alone: TLS without a client certificate. */
  readonly caFile: string | undefined;
  readonly certFile: string | undefined;
  readonly keyFile: string | undefined;
}

/** The files of `pki/` that an external store's certificates are copied to. */
export const externalStorePki = {
  ca: "external-etcd-ca.crt",
  cert: "external-etcd.crt",
  key: "external-etcd.key",
} as const;

/** Checks the request and reads its files. @throws CliError */
export async function readExternalStore(
  request: ExternalStoreRequest,
): Promise<{ store: ExternalStore; files: readonly (readonly [name: string, text: string])[] }> {
  const { url, caFile, certFile, keyFile } = request;
  const hosts = /^etcd:\/\/(.+)$/.exec(url)?.[1]?.split(",") ?? [];
  const sound = hosts.length > 0 && hosts.every((host) => /^[A-Za-z0-9.-]+:[0-9]{1,5}$/.test(host));
  if (!sound) {
    throw new CliError(exitCode.usage, `Invalid --store "${url}": must be etcd://host:port, more after commas`);
  }
  if ((certFile === undefined) !== (keyFile === undefined)) {
    throw new CliError(exitCode.usage, "--store-cert and --store-key go together");
  }
  if (certFile !== undefined && caFile === undefined) {
    throw new CliError(exitCode.usage, "--store-cert needs --store-cacert: the authority that the store is known by");
  }
  const wanted = [[externalStorePki.ca, caFile], [externalStorePki.cert, certFile], [
    externalStorePki.key,
    keyFile,
  ]] as const;
  const files = await Promise.all(wanted.flatMap(([name, path]) => path === undefined ? [] : [readPem(name, path)]));
  const endpoints = hosts.map((host) => `tcp:${host}`);
  return { store: { endpoints, tls: caFile !== undefined, clientCertificate: certFile !== undefined }, files };
}

async function readPem(name: string, path: string): Promise<readonly [string, string]> {
  try {
    return [name, await Deno.readTextFile(path)];
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new CliError(exitCode.usage, `Cannot read ${path}: ${reason}`, { cause });
  }
}
