import assert from "node:assert/strict";
import { escapeKey, headerOfText, textOfHeader, unescapeKey } from "./header_text.ts";

Deno.test("escapeKey() percent-encodes bytes of UTF-8 and % itself; unescapeKey() gives the key back from any case", () => {
  const cases = {
    "acme.com/project": "acme.com%2Fproject",
    "Scopes": "scopes",
    "100%": "100%25",
    "a b:c": "a%20b%3Ac",
    "Équipe": "%C3%89quipe",
    "\u212a": "%E2%84%AA", // the sign for kelvins, whose lower case is the letter k
    "🦕": "%F0%9F%A6%95",
    "!#$&'*+-.^_`|~": "!#$&'*+-.^_`|~",
  };
  for (const [key, escaped] of Object.entries(cases)) {
    assert.equal(escapeKey(key), escaped);
    // As it arrives: in lower case.
    assert.equal(unescapeKey(escaped.toLowerCase()), key === "Scopes" ? "scopes" : key);
  }
  for (const odd of ["bad%zz", "%", "%c3", "%ff%fe"]) assert.equal(unescapeKey(odd), odd);
});

Deno.test("headerOfText() and textOfHeader() are UTF-8, a character a byte; what is not UTF-8 is null", () => {
  for (const text of ["", "jane", "jürgen", "Ã©", "日本", "🦕", "\ufeffbom"]) {
    const header = headerOfText(text);
    assert.ok(/^[\0-\xff]*$/.test(header));
    assert.equal(textOfHeader(header), text);
  }
  for (const bad of ["j\xfcrgen", "\xc0\x80", "\xed\xa0\x80"]) assert.equal(textOfHeader(bad), null);
});
