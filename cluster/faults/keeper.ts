import type { FrameConnection, Timers } from "../../platform/mod.ts";
import { asFaultTable, changed, type FaultChange, type FaultTable, isEmpty, noFaults } from "./table.ts";

/** How long a component may take to say that it has the newest table; one that is paused takes longer. */
const toldMaxMs = 1_000;

export interface ToldResult {
  readonly table: FaultTable;
  /** Components that run and have not said that they know of it. */
  readonly silent: readonly string[];
}

export interface FaultKeeper {
  readonly table: FaultTable;
  /** A component asks to be told, now and at every change. Takes over the connection. */
  subscribe(name: string, connection: FrameConnection): void;
  /** Resolves when the file is written and every component that listens knows, or has been silent too long. */
  change(change: FaultChange): Promise<ToldResult>;
}

/**
 * The supervisor's side of the fault table. The file is for components that start later: they read it before they dial
 * anyone. It lives as long as the supervisor's run; a cluster that is started again begins without faults.
 */
export function createFaultKeeper(
  config: { readonly save: (table: FaultTable) => Promise<void> },
  deps: { readonly timers: Timers; readonly encode: (message: { op: "table"; table: FaultTable }) => Uint8Array },
): FaultKeeper {
  const listeners = new Map<string, { readonly connection: FrameConnection; version: number }>();
  const waiting = new Set<() => void>();
  let table = noFaults;
  let changes: Promise<unknown> = Promise.resolve();

  function subscribe(name: string, connection: FrameConnection): void {
    const listener = { connection, version: -1 };
    const closeBefore = connection.onClose;
    listeners.set(name, listener);
    connection.onFrame = (frame) => {
      listener.version = appliedVersion(frame) ?? listener.version;
      for (const wake of [...waiting]) wake();
    };
    connection.onClose = (error) => {
      if (listeners.get(name) === listener) listeners.delete(name);
      for (const wake of [...waiting]) wake();
      closeBefore(error);
    };
    connection.send(deps.encode({ op: "table", table }));
  }

  function silent(): string[] {
    return [...listeners].flatMap(([name, each]) => each.version < table.version ? [name] : []);
  }

  async function tell(): Promise<ToldResult> {
    for (const { connection } of listeners.values()) connection.send(deps.encode({ op: "table", table }));
    await new Promise<void>((resolve) => {
      const done = () => {
        timer.cancel();
        waiting.delete(check);
        resolve();
      };
      const check = () => {
        if (silent().length === 0) done();
      };
      const timer = deps.timers.schedule(toldMaxMs, done);
      waiting.add(check);
      check();
    });
    return { table, silent: silent() };
  }

  return {
    get table() {
      return table;
    },
    subscribe,
    change(change) {
      const result = changes.then(async () => {
        table = changed(table, change);
        await config.save(table);
        return await tell();
      });
      changes = result.catch(() => {});
      return result;
    },
  };
}

function appliedVersion(frame: Uint8Array): number | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(frame));
    const { op, version } = value as Record<string, unknown>;
    return op === "applied" && typeof version === "number" ? version : null;
  } catch {
    return null;
  }
}

/** The file's text: "" when nothing is wrong. */
export function encodeTable(table: FaultTable): string {
  return isEmpty(table) ? "" : JSON.stringify(table) + "\n";
}

/** What a starting component finds: no file, an empty one or one that cannot be read mean that nothing is wrong. */
export function decodeTable(text: string | null): FaultTable {
  try {
    return text === null || text === "" ? noFaults : asFaultTable(JSON.parse(text)) ?? noFaults;
  } catch {
    return noFaults;
  }
}
