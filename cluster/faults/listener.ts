import { fromUtf8, utf8 } from "../../base/bytes.ts";
import type { DiskFaults, LinkFaults } from "../../platform/faults/mod.ts";
import type { FrameConnection, Network, Timers } from "../../platform/mod.ts";
import { layout } from "../home.ts";
import { asFaultTable, type FaultTable } from "./table.ts";

/** How long until a component asks again for the supervisor that it has lost. */
const redialMs = 1_000;

export interface FaultTargets {
  readonly links: LinkFaults;
  readonly disk: DiskFaults;
}

export function applyTable(name: string, table: FaultTable, targets: FaultTargets): void {
  targets.links.set(table.links);
  targets.disk.condition = table.disks.find((each) => each.component === name) ?? null;
}

/** Holds the component's faults at what the supervisor says, for as long as the process lives. */
export function listenForFaults(
  name: string,
  targets: FaultTargets,
  deps: { readonly network: Network; readonly timers: Timers },
): void {
  const again = () => void deps.timers.schedule(redialMs, () => void dial());

  async function dial(): Promise<void> {
    let connection: FrameConnection;
    try {
      connection = await deps.network.frames.dial(`unix:${layout.control}`, {});
    } catch {
      return again();
    }
    connection.onFrame = (frame) => {
      const table = decode(frame);
      if (table === null) return connection.close();
      applyTable(name, table, targets);
      connection.send(utf8(JSON.stringify({ op: "applied", version: table.version })));
    };
    connection.onClose = again;
    connection.send(utf8(JSON.stringify({ op: "listen", name, pid: Deno.pid })));
  }
  void dial();
}

function decode(frame: Uint8Array): FaultTable | null {
  try {
    const value: unknown = JSON.parse(fromUtf8(frame));
    return asFaultTable((value as { table?: unknown }).table);
  } catch {
    return null;
  }
}
