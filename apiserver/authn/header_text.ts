import { fromLatin1, toLatin1, utf8 } from "../../base/bytes.ts";

/**
 * Names of users in headers. A header's value is bytes, a character each in JavaScript, and names are UTF-8 in it. A key
 * that is part of a header's name is percent-encoded, byte by byte, where it has what may not stand in a name, or "%";
 * it is in lower case as far as it is ASCII, by the nature of headers.
 * @see client-go transport/round_trippers.go, headerKeyEscape; apiserver headerrequest, unescapeExtraKey
 */

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Null: the value is not UTF-8. */
export function textOfHeader(value: string): string | null {
  try {
    return decoder.decode(fromLatin1(value));
  } catch {
    return null;
  }
}

export function headerOfText(text: string): string {
  return toLatin1(utf8(text));
}

/** @param key in lower case; one that is not encoded well is taken as it stands */
export function unescapeKey(key: string): string {
  try {
    return decodeURIComponent(key);
  } catch {
    return key;
  }
}

export function escapeKey(key: string): string {
  return headerOfText(key).replace(
    /[^a-z0-9!#$&'*+.^_`|~-]/g,
    (byte) =>
      /[A-Z]/.test(byte) ? byte.toLowerCase() : `%${byte.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}
