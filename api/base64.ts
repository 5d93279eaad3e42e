const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** Standard base64 with padding (RFC 4648 section 4). */
export function encodeBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 3) {
    const left = bytes.length - i;
    const triple = ((bytes[i] as number) << 16) | ((bytes[i + 1] ?? 0) << 8) | (bytes[i + 2] ?? 0);
    text += alphabet[triple >> 18];
    text += alphabet[(triple >> 12) & 63];
    text += left > 1 ? alphabet[(triple >> 6) & 63] : "=";
    text += left > 2 ? alphabet[triple & 63] : "=";
  }
  return text;
}

/** The bytes of valid base64; undefined when `text` is none. */
export function decodeBase64(text: string): Uint8Array | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return undefined;
  const bytes = new Uint8Array(base64Length(text));
  for (let i = 0, at = 0; i < text.length; i += 4) {
    let quad = 0;
    for (let j = 0; j < 4; j++) quad = (quad << 6) | Math.max(0, alphabet.indexOf(text[i + j] as string));
    for (let j = 16; j >= 0 && at < bytes.length; j -= 8) bytes[at++] = (quad >> j) & 0xff;
  }
  return bytes;
}

/** How many bytes valid base64 stands for. */
export function base64Length(text: string): number {
  return text.length / 4 * 3 - (text.endsWith("==") ? 2 : text.endsWith("=") ? 1 : 0);
}
