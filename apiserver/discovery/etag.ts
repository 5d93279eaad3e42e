/** A short hash of a document, the same on every apiserver: names a version of the document, proves nothing. */
export function contentHash(bytes: Uint8Array): string {
  let a = 0x811c9dc5;
  let b = 0x1000193;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b) ^ (b >>> 13);
  }
  return [a, b, a ^ (b << 7), Math.imul(a, 31) + b].map((word) => (word >>> 0).toString(16).padStart(8, "0"))
    .join("").toUpperCase();
}
