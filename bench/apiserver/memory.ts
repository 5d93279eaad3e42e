import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { utf8 } from "../../base/bytes.ts";
import { pods } from "../../api/resources.ts";
import { ResourceCache } from "../../apiserver/watchcache/resource_cache.ts";
import { encodeAtRest } from "../../apiserver/watchcache/splice.ts";
import { storedResource } from "../../apiserver/watchcache/cached.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { LeaseId, Revision } from "../../store/types.ts";

/**
 * What the watch cache holds for `count` pods, their own bytes among it: heap and buffers after a full collection, over
 * the bytes as served. In this process, for a live apiserver's resident size says more about its garbage than about it.
 */
export async function cachedObjectOverhead(
  count: number,
): Promise<{ readonly bytesPerObject: number; readonly factor: number }> {
  const resource = storedResource(pods, "/registry/pods/", () => ({}));
  const cache = new ResourceCache(resource);
  const stored = Array.from({ length: count }, (_, i) => encodeAtRest(pods, pod(`pod-${i}`)));
  const before = await usedBytes();
  for (const [i, bytes] of stored.entries()) {
    const key = utf8(`/registry/pods/default/pod-${i}`);
    const revision = (i + 1) as Revision;
    cache.apply(`/registry/pods/default/pod-${i}`, {
      type: "put",
      kv: { key, value: bytes, createRevision: revision, modRevision: revision, version: 1, lease: 0n as LeaseId },
    });
  }
  const spent = await usedBytes() - before;
  // Still alive above, so that they count before and after.
  stored.length = 0;
  let served = 0;
  for (const { bytes } of cache.list("")) served += bytes.length;
  return { bytesPerObject: spent / count, factor: spent / served };
}

function pod(name: string): KubeObject {
  return {
    metadata: { name, namespace: "default", annotations: { "sauropod.dev/padding": "x".repeat(1_400) } },
    spec: { containers: [{ name: "pause", image: "sauropod.dev/pause:1" }] },
    status: { phase: "Pending" },
  } as KubeObject;
}

/** Heap and buffers in use, garbage left out. */
export async function usedBytes(): Promise<number> {
  const collect = garbageCollector();
  // What is let go of in two turns' time goes too.
  for (let i = 0; i < 2; i++) {
    await new Promise((resolve) => setTimeout(resolve, 0));
    collect();
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

function garbageCollector(): () => void {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("V8 does not expose its collector");
  return () => void collect();
}

/** Resident bytes of a process; 0 once it has gone. */
export function residentBytes(pid: number): number {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1_024;
  } catch {
    return 0;
  }
}
