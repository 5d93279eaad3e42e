/** Bytes as they may be handed on: of one buffer's own. */
type Bytes = Uint8Array;

/** Authenticated or padded encryption, synchronous: it stands between a store's events and the cache. */
export interface Ciphers {
  /** AES-GCM with a nonce of 12 bytes and a tag of 16 behind the text; the key's length says which AES. */
  sealGcm(key: Bytes, nonce: Bytes, plain: Bytes, associated: Bytes): Bytes;
  /** @throws Error when text, nonce or associated data are not those that were sealed */
  openGcm(key: Bytes, nonce: Bytes, sealed: Bytes, associated: Bytes): Bytes;
  /** AES-CBC with PKCS #7 padding. It proves nothing of who wrote the text. */
  encryptCbc(key: Bytes, iv: Bytes, plain: Bytes): Bytes;
  /** @throws Error when the padding is wrong */
  decryptCbc(key: Bytes, iv: Bytes, text: Bytes): Bytes;
  /** NaCl's secretbox: XSalsa20 and Poly1305, a key of 32 bytes, a nonce of 24. */
  sealBox(key: Bytes, nonce: Bytes, plain: Bytes): Bytes;
  /** @throws Error when it is not what was sealed */
  openBox(key: Bytes, nonce: Bytes, sealed: Bytes): Bytes;
}
