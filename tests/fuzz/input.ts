import fc from "fast-check";

/** Texts that parsers have fallen over before, mixed into what fast-check draws. */
const nastyWords = [
  "__proto__",
  "constructor",
  "prototype",
  "toString",
  "",
  "\0",
  "..",
  "%2e%2e",
  "\ud800",
  "\u{1f98e}",
  "1e999999",
  "-0",
  "9223372036854775808",
  "NaN",
  "0x10",
  "~1~0",
  "[*]",
  "$patch",
  "!!",
  "(((((((((((((((((((((((((((((((((((((((((",
];

/** Any text, or pieces of `alphabet` in any order: near misses of the grammar, which blind text seldom is. */
export function textOf(alphabet: readonly string[]): fc.Arbitrary<string> {
  const piece = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...alphabet) },
    { weight: 1, arbitrary: fc.constantFrom(...nastyWords) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 4 }) },
  );
  return fc.oneof(
    { weight: 5, arbitrary: fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join("")) },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 200 }) },
  );
}

/** Any JSON value, the names that hurt JavaScript among its keys. */
export const jsonValue: fc.Arbitrary<unknown> = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 5, depthIdentifier: "json" },
    fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 2 ** 53, 1e308, "", "a", "250m", "2026-01-01T00:00:00Z"),
    fc.constantFrom(...nastyWords),
    fc.array(tie("value"), { maxLength: 4 }),
    fc.array(fc.tuple(fc.oneof(fc.constantFrom(...nastyWords), fc.string({ maxLength: 6 })), tie("value")), {
      maxLength: 4,
    }).map((entries) => {
      const object: Record<string, unknown> = {};
      for (const [key, value] of entries) {
        Object.defineProperty(object, key, { value, enumerable: true, writable: true, configurable: true });
      }
      return object;
    }),
  ),
})).value;

/** A change to some bytes: cut, doubled, overwritten, or a length made huge. */
export interface Damage {
  readonly at: number;
  readonly kind: "cut" | "double" | "flip" | "huge" | "none";
  readonly value: number;
}

export const damage: fc.Arbitrary<Damage> = fc.record({
  at: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
  kind: fc.constantFrom("cut", "double", "flip", "huge", "none"),
  value: fc.nat(255),
});

export function damaged(bytes: Uint8Array, { at, kind, value }: Damage): Uint8Array {
  const place = Math.floor(at * bytes.length);
  switch (kind) {
    case "cut":
      return bytes.slice(0, place);
    case "double":
      return Uint8Array.from([...bytes, ...bytes.subarray(place)]);
    case "flip": {
      const copy = bytes.slice();
      if (place < copy.length) copy[place] = value;
      return copy;
    }
    case "huge":
      return Uint8Array.from([...bytes.subarray(0, place), 0xff, 0xff, 0xff, 0xff, 0x7f, ...bytes.subarray(place)]);
    case "none":
      return bytes.slice();
  }
}

/** Any bytes, or `samples` damaged in up to three places. */
export function bytesLike(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const near = fc.tuple(fc.constantFrom(...samples), fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([sample, damages]) => damages.reduce(damaged, sample));
  return fc.oneof(fc.uint8Array({ maxLength: 200 }), { weight: 3, arbitrary: near });
}

/** Puts `value` at a random place of a plain object, as a key that is there or next to it. */
export function planted(object: unknown, path: readonly number[], value: unknown): unknown {
  const copy = structuredClone(object);
  let at: unknown = copy;
  for (const [depth, step] of path.entries()) {
    if (typeof at !== "object" || at === null) break;
    const holder = at as Record<string, unknown>;
    const keys = Object.keys(holder);
    if (keys.length === 0) break;
    const key = keys[step % keys.length] as string;
    if (depth === path.length - 1 || typeof holder[key] !== "object" || holder[key] === null) {
      holder[key] = value;
      break;
    }
    at = holder[key];
  }
  return copy;
}
