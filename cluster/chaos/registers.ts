import type { RegisterAction } from "../../base/linearizability.ts";

/** What somebody was last told about a key. `version` grows with every write of the whole system under test. */
export interface Known {
  readonly value: string;
  readonly version: string;
}

export type Answer =
  /** It happened. A read's value, or the written one; null: there is none (any more). */
  | { readonly kind: "done"; readonly known: Known | null; readonly version: string | null }
  /** Its condition did not hold. `missing`: because there was nothing. */
  | { readonly kind: "refused"; readonly missing: boolean }
  /** Nobody knows whether it happened. */
  | { readonly kind: "unknown"; readonly error: string }
  /** It did not happen, and nothing was learnt: it was never carried out. */
  | { readonly kind: "untried"; readonly error: string };

/** One client's way to the registers of the system under test. Never rejects. */
export interface Registers {
  /** @param known what the load last heard of the key: the version that conditions are made of */
  perform(key: string, action: RegisterAction, known: Known | null): Promise<Answer>;
}
