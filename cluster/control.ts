import { fromUtf8, utf8 } from "../base/bytes.ts";
import type { FrameConnection, Network } from "../platform/mod.ts";
import { asFaultChange, type FaultChange, type FaultTable } from "./faults/table.ts";

/** How a component stands, as the supervisor knows it. */
export type ComponentState = "starting" | "ready" | "waiting" | "stopped";

export interface ComponentStatus {
  readonly name: string;
  readonly kind: string;
  readonly node: string | null;
  readonly pid: number | null;
  readonly address: string;
  /** `leader`, `follower`, `standby`, or "" for kinds that elect none. */
  readonly role: string;
  /** What the component says of itself, for people: `term 2, commit 1042`. */
  readonly detail: string;
  readonly ready: boolean;
  readonly state: ComponentState;
  readonly restarts: number;
  /** From the first start to the first ready. */
  readonly readyAfterMs: number | null;
}

/** What travels over the supervisor's socket, as JSON frames. */
export type ControlRequest =
  | { readonly op: "status" }
  /** From a component: I serve; or: my role changed. */
  | {
    readonly op: "report";
    readonly name: string;
    readonly pid: number;
    readonly ready: boolean;
    readonly role: string;
    readonly detail: string;
  }
  /** From a component: tell me what is wrong on purpose, now and at every change. The connection stays open. */
  | { readonly op: "listen"; readonly name: string; readonly pid: number }
  /** Answered when the components know of it; `change: null` only asks. */
  | { readonly op: "faults"; readonly change: FaultChange | null }
  /** The spec has changed: starts the components that are new in it, ends those that have gone. Answered when they have. */
  | { readonly op: "reload" }
  /** Ends every component, then the supervisor. Answered when all have gone. */
  | { readonly op: "shutdown" };

export type ControlResponse =
  | { readonly op: "status"; readonly supervisorPid: number; readonly components: readonly ComponentStatus[] }
  /** `silent`: components that run and have not said that they know of it. */
  | { readonly op: "faults"; readonly table: FaultTable; readonly silent: readonly string[] }
  /** To a component that listens. */
  | { readonly op: "table"; readonly table: FaultTable }
  | { readonly op: "done" }
  | { readonly op: "refused"; readonly reason: string };

export function encodeControl(message: ControlRequest | ControlResponse): Uint8Array {
  return utf8(JSON.stringify(message));
}

/** The frame as a request, or null when it is none. */
export function decodeRequest(frame: Uint8Array): ControlRequest | null {
  const value = parseRecord(frame);
  if (value === null) return null;
  if (value.op === "status" || value.op === "reload" || value.op === "shutdown") return { op: value.op };
  if (value.op === "listen" && typeof value.name === "string" && typeof value.pid === "number") {
    return { op: "listen", name: value.name, pid: value.pid };
  }
  if (value.op === "faults") {
    const change = value.change === null ? null : asFaultChange(value.change);
    return change === null && value.change !== null ? null : { op: "faults", change };
  }
  if (
    value.op === "report" && typeof value.name === "string" && typeof value.pid === "number" &&
    typeof value.ready === "boolean" && typeof value.role === "string" && typeof value.detail === "string"
  ) {
    const { name, pid, ready, role, detail } = value;
    return { op: "report", name, pid, ready, role, detail };
  }
  return null;
}

function decodeResponse(frame: Uint8Array): ControlResponse | null {
  const value = parseRecord(frame);
  if (value === null) return null;
  // The two ends are one program of one version; the shape is checked as far as a wrong peer would show.
  if (value.op === "status" && Array.isArray(value.components)) return value as unknown as ControlResponse;
  if (value.op === "faults" && typeof value.table === "object") return value as unknown as ControlResponse;
  if (value.op === "done" || value.op === "refused") return value as unknown as ControlResponse;
  return null;
}

function parseRecord(frame: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(fromUtf8(frame));
    return typeof value === "object" && value !== null ? value as Record<string, unknown> : null;
  } catch {
    return null;
  }
}

/** One request, one answer, one connection. Null when nobody listens at `address` or it closes before it answers. */
export async function callControl(
  network: Network,
  address: string,
  request: ControlRequest,
): Promise<ControlResponse | null> {
  let connection: FrameConnection;
  try {
    connection = await network.frames.dial(address, {});
  } catch {
    return null;
  }
  const { promise, resolve } = Promise.withResolvers<ControlResponse | null>();
  connection.onFrame = (frame) => resolve(decodeResponse(frame));
  connection.onClose = () => resolve(null);
  connection.send(encodeControl(request));
  try {
    return await promise;
  } finally {
    connection.close();
  }
}
