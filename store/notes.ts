import { asInteger, pack, unpack } from "./wire.ts";

/** What members say to each other past the log: `[kind, ...]`. A kind that is not known is left. */
export const noteKind = { hashQuestion: 1, hashAnswer: 2, noSpace: 3 } as const;

export function encodeNote(kind: number, ...fields: readonly unknown[]): Uint8Array {
  return pack([kind, ...fields]);
}

/** @throws WireError */
export function decodeNote(note: Uint8Array): { readonly kind: number; readonly fields: readonly unknown[] } {
  const [kind, ...fields] = unpack(note);
  return { kind: asInteger(kind), fields };
}
