import { DiskFaults, faultyDisk, faultyFrames, faultyStreams, LinkFaults } from "../faults/mod.ts";
import { createLog, type LogLevel } from "../log.ts";
import { createMetrics } from "../metrics.ts";
import type { DialHttp2 } from "../grpc/mod.ts";
import type { Certificates, Ciphers, Listener, Platform, UpgradeHttps } from "../mod.ts";
import { createClock, createTimers } from "./clock.ts";
import { createDatagrams } from "./datagrams.ts";
import { createDisk } from "./disk.ts";
import { createFrames } from "./frames.ts";
import type { Http2ServeOptions } from "./http2_transport.ts";
import { createHttpClient } from "./http_client.ts";
import { serveHttp } from "./http_server.ts";
import { createProcesses } from "./processes.ts";
import { createRandom } from "./random.ts";
import { createStreams } from "./streams.ts";

export type { LogLevel } from "../log.ts";

export interface DenoPlatformOptions {
  /** Named on every log line. */
  readonly component: string;
  /** Default "info". */
  readonly logLevel?: LogLevel;
  /** Takes one line without its end. Default: standard error. */
  readonly logSink?: (line: string) => void;
}

const encoder = new TextEncoder();

function writeStderr(line: string): void {
  try {
    const bytes = encoder.encode(line + "\n");
    for (let at = 0; at < bytes.length;) at += Deno.stderr.writeSync(bytes.subarray(at));
  } catch {
    // Nobody reads us any more; there is no place left to say so.
  }
}

/** The real world, and what can be made wrong with it while it runs. */
export interface DisturbablePlatform {
  readonly platform: Platform;
  readonly links: LinkFaults;
  readonly disk: DiskFaults;
}

/** @param options.nameOf who listens at an address: a component, or null for everyone else, who is never disturbed */
export function createDisturbablePlatform(
  options: DenoPlatformOptions & { readonly nameOf: (address: string) => string | null },
): DisturbablePlatform {
  const real = createDenoPlatform(options);
  const { frames, streams, http } = real.network;
  const links = new LinkFaults({ self: options.component, nameOf: options.nameOf }, real);
  const disk = new DiskFaults();
  const network = {
    ...real.network,
    frames: faultyFrames(frames, links),
    streams: faultyStreams(streams, links),
    http: {
      ...http,
      client: (clientOptions: Parameters<typeof http.client>[0]) => createHttpClient(clientOptions, links),
    },
  };
  return { platform: { ...real, disk: faultyDisk(real.disk, disk), network }, links, disk };
}

/** The real world. Each part is usable on its own; nothing is opened before it is asked for. */
export function createDenoPlatform(options: DenoPlatformOptions): Platform {
  const clock = createClock();
  const log = createLog({
    component: options.component,
    level: options.logLevel ?? "info",
    now: clock.now,
    sink: options.logSink ?? writeStderr,
  });
  const timers = createTimers();
  return {
    clock,
    timers,
    random: createRandom(),
    disk: createDisk(),
    network: {
      frames: createFrames(),
      http: {
        serve: async (serveOptions) => await serveHttp(serveOptions, { log, clock, timers }),
        client: (clientOptions) => createHttpClient(clientOptions),
      },
      streams: createStreams(),
      datagrams: createDatagrams(),
    },
    processes: createProcesses(),
    log,
    metrics: createMetrics(),
  };
}

/** Begins a SHA-256 over bytes that come in pieces; synchronous from then on. */
export async function sha256(): Promise<{ update(bytes: Uint8Array): void; digest(): Uint8Array }> {
  const hash = (await import("node:crypto")).createHash("sha256");
  return { update: (bytes) => void hash.update(bytes), digest: () => new Uint8Array(hash.digest()) };
}

/** HTTP/2 as gRPC needs it, loaded when first used: most components speak none. */
export const http2 = {
  serve: async (options: Http2ServeOptions): Promise<Listener> =>
    await (await import("./http2_transport.ts")).serveHttp2(options),
  dial:
    (async (address, options) =>
      await (await import("./http2_transport.ts")).dialHttp2(address, options)) satisfies DialHttp2,
};

export { callHttps } from "./https_call.ts";
/** Loaded when first used: few extension apiservers are asked for another protocol. */
export const upgradeHttps: UpgradeHttps = async (call) => await (await import("./https_upgrade.ts")).upgradeHttps(call);
export { postHttps } from "./https_post.ts";
export { collectProcess } from "./process_metrics.ts";
export { createMetrics } from "../metrics.ts";

/** X.509, loaded when first used: most components sign nothing. */
export const certificates: Certificates = {
  readRequest: async (pem) => await (await import("./certificates.ts")).readRequest(pem),
  sign: async (authority, request) => await (await import("./certificates.ts")).sign(authority, request),
  notAfter: async (pem) => (await import("./certificates.ts")).notAfter(pem),
};

/** Encryption at rest, loaded where it is configured. */
export async function loadCiphers(): Promise<Ciphers> {
  return (await import("./ciphers.ts")).ciphers;
}
