/** What one simulated HTTP exchange says on its connection: one exchange a connection, in both directions in order. */
export type HttpMessage =
  | {
    readonly kind: "request";
    readonly method: string;
    readonly url: string;
    readonly headers: [string, string][];
    readonly hasBody: boolean;
    readonly upgrade: boolean;
  }
  | {
    readonly kind: "response";
    readonly status: number;
    readonly statusText: string;
    readonly headers: [string, string][];
    readonly hasBody: boolean;
  }
  | { readonly kind: "upgraded"; readonly protocol: string }
  | { readonly kind: "chunk"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end" }
  | { readonly kind: "message"; readonly data: Uint8Array | string }
  | { readonly kind: "goodbye"; readonly code: number; readonly reason: string };

/** A sender of a body waits while so much of it is under way; a receiver's stream holds at most so much. */
export const windowBytes = 64 * 1024;

export function messageBytes(message: HttpMessage): number {
  switch (message.kind) {
    case "chunk":
      return message.bytes.length;
    case "message":
      return message.data.length;
    case "request":
    case "response":
      return 100 + message.headers.length * 40;
    default:
      return 0;
  }
}
