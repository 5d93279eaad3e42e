/**
 * What a core may use beyond the language itself: pure functions of their arguments that no ECMAScript library declares.
 * Whatever is not here (Deno, timers, fetch, crypto, console, performance) does not resolve in a core.
 */

declare class TextEncoder {
  encode(input?: string): Uint8Array<ArrayBuffer>;
  encodeInto(source: string, destination: Uint8Array): { read: number; written: number };
}

declare class TextDecoder {
  constructor(label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean });
  decode(input?: ArrayBufferView | ArrayBuffer): string;
}

declare function structuredClone<T>(value: T): T;

/** Base64, as the web has it: one character a byte. */
declare function atob(data: string): string;
declare function btoa(data: string): string;
