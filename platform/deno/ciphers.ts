import { createCipheriv, createDecipheriv } from "node:crypto";
import { xsalsa20poly1305 } from "@noble/ciphers/salsa.js";
import { concatBytes } from "../../base/bytes.ts";
import type { Ciphers } from "../ciphers.ts";

const tagBytes = 16;

function gcmName(key: Uint8Array): "aes-128-gcm" | "aes-256-gcm" {
  return key.length === 16 ? "aes-128-gcm" : "aes-256-gcm";
}

function cbcName(key: Uint8Array): string {
  return `aes-${key.length * 8}-cbc`;
}

export const ciphers: Ciphers = {
  sealGcm(key, nonce, plain, associated) {
    const cipher = createCipheriv(gcmName(key), key, nonce);
    cipher.setAAD(associated);
    return concatBytes([cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
  },
  openGcm(key, nonce, sealed, associated) {
    if (sealed.length < tagBytes) throw new Error("the sealed text is too short");
    const decipher = createDecipheriv(gcmName(key), key, nonce);
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(sealed.length - tagBytes));
    return concatBytes([decipher.update(sealed.subarray(0, sealed.length - tagBytes)), decipher.final()]);
  },
  encryptCbc(key, iv, plain) {
    const cipher = createCipheriv(cbcName(key), key, iv);
    return concatBytes([cipher.update(plain), cipher.final()]);
  },
  decryptCbc(key, iv, text) {
    const decipher = createDecipheriv(cbcName(key), key, iv);
    return concatBytes([decipher.update(text), decipher.final()]);
  },
  sealBox: (key, nonce, plain) => xsalsa20poly1305(key, nonce).encrypt(plain),
  openBox: (key, nonce, sealed) => xsalsa20poly1305(key, nonce).decrypt(sealed),
};
