import { fromUtf8 } from "../base/bytes.ts";
import { kubernetesVersion } from "../api/version.ts";
import type { NodeSystemInfo } from "../api/gen/types.ts";
import type { Disk } from "../platform/mod.ts";
import { readIfPresent } from "./files.ts";

export interface HostFacts {
  readonly capacity: { readonly cpu: string; readonly memory: string };
  readonly info: Omit<NodeSystemInfo, "containerRuntimeVersion">;
}

async function text(disk: Disk, path: string): Promise<string> {
  return fromUtf8(await readIfPresent(disk, path).catch(() => null) ?? new Uint8Array(0)).trim();
}

/** What /proc and /etc say of this machine; sensible values where they are not there. */
export async function readHostFacts(disk: Disk): Promise<HostFacts> {
  const [cpuInfo, memory, release, kernel, machineId, bootId, version] = await Promise.all([
    text(disk, "/proc/cpuinfo"),
    text(disk, "/proc/meminfo"),
    text(disk, "/etc/os-release"),
    text(disk, "/proc/sys/kernel/osrelease"),
    text(disk, "/etc/machine-id"),
    text(disk, "/proc/sys/kernel/random/boot_id"),
    text(disk, "/proc/version"),
  ]);
  const cpus = cpuInfo.match(/^processor\s*:/gm)?.length ?? 1;
  const kilobytes = /^MemTotal:\s+(\d+) kB/m.exec(memory)?.[1] ?? "4194304";
  const isArm = /aarch64|arm64/.test(version) || /^CPU implementer/m.test(cpuInfo);
  return {
    capacity: { cpu: String(cpus), memory: `${kilobytes}Ki` },
    info: {
      architecture: isArm ? "arm64" : "amd64",
      bootID: bootId,
      kernelVersion: kernel,
      kubeProxyVersion: kubernetesVersion,
      kubeletVersion: kubernetesVersion,
      machineID: machineId,
      operatingSystem: "linux",
      osImage: /^PRETTY_NAME="?([^"\n]*)"?/m.exec(release)?.[1] ?? "Linux",
      systemUUID: machineId,
    },
  };
}
