import { badRequest } from "../../api/status.ts";
import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { isRecord } from "../dig.ts";

export interface ContinueToken {
  /** The revision of the first page; -1: whatever is current (an inconsistent continuation). */
  readonly revision: number;
  /** First key of the page, below the resource's prefix. */
  readonly start: string;
}

/** Upstream's own form: base64url without padding of `{"v":"meta.k8s.io/v1","rv":N,"start":"ns/name\u0000"}`. */
export function encodeContinue(token: ContinueToken): string {
  const bytes = utf8(JSON.stringify({ v: "meta.k8s.io/v1", rv: token.revision, start: token.start }));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

export function decodeContinue(text: string): ContinueToken {
  let parsed: unknown;
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    parsed = JSON.parse(fromUtf8(Uint8Array.from(binary, (char) => char.charCodeAt(0))));
  } catch {
    throw badRequest("continue key is not valid: it cannot be decoded");
  }
  if (!isRecord(parsed) || parsed["v"] !== "meta.k8s.io/v1") {
    throw badRequest("continue key is not valid: server does not recognize this encoded version");
  }
  const { rv, start } = parsed;
  if (typeof rv !== "number" || !Number.isSafeInteger(rv) || rv === 0) {
    throw badRequest("continue key is not valid: incorrect encoded start resourceVersion (version meta.k8s.io/v1)");
  }
  // A token is the client's word: it must not lead out of the resource's own keys.
  if (typeof start !== "string" || start === "" || start.split("/").some(isTraversal)) {
    throw badRequest("continue key is not valid: encoded start key empty or not clean (version meta.k8s.io/v1)");
  }
  return { revision: rv, start };
}

function isTraversal(segment: string): boolean {
  const plain = segment.replace(/\0$/, "");
  return plain === "" || plain === "." || plain === ".." || plain.includes("\0");
}
