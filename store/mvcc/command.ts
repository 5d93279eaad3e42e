import type { LeaseCheckpoint } from "../lease/lease_table.ts";
import type { Alarm, AlarmKind, LeaseId, Revision, StoreErrorCode, TxnRequest, TxnResponse } from "../types.ts";

/** What travels through the log. Deterministic: ids are in it, times are not (leases expire by a `leaseRevoke`). */
export type Command =
  | { readonly kind: "txn"; readonly request: TxnRequest }
  | { readonly kind: "leaseGrant"; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly kind: "leaseRevoke"; readonly id: LeaseId }
  | { readonly kind: "leaseCheckpoint"; readonly leases: readonly LeaseCheckpoint[] }
  | { readonly kind: "compact"; readonly revision: number }
  | {
    readonly kind: "alarm";
    readonly action: "activate" | "disarm";
    readonly memberId: string;
    readonly alarm: AlarmKind;
  };

/** An expected refusal; the shell turns it into a StoreError. */
export interface Refusal {
  readonly ok: false;
  readonly code: StoreErrorCode;
  readonly message: string;
  readonly compactRevision?: number;
}

export type CommandResult =
  | { readonly ok: true; readonly kind: "txn"; readonly response: TxnResponse }
  | { readonly ok: true; readonly kind: "leaseGrant"; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly ok: true; readonly kind: "leaseRevoke" | "leaseCheckpoint" | "compact"; readonly revision: Revision }
  | { readonly ok: true; readonly kind: "alarm"; readonly changed: readonly Alarm[] }
  | Refusal;

export function refuse(code: StoreErrorCode, message: string): Refusal {
  return { ok: false, code, message };
}
