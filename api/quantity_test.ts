import { equal, ok, throws } from "node:assert/strict";
import { prng } from "../base/prng.ts";
import {
  addQuantities,
  bigValue,
  canonicalQuantity,
  compareQuantities,
  formatQuantity,
  integerValue,
  milliValue,
  parseInteger,
  parseMilli,
  parseQuantity,
  QuantityError,
  subtractQuantities,
} from "./quantity.ts";

Deno.test("canonicalQuantity() writes what upstream stores", () => {
  const cases: Record<string, string> = {
    "0": "0",
    "0.5": "500m",
    "1.5Gi": "1536Mi",
    "1024Mi": "1Gi",
    "1000m": "1",
    "100m": "100m",
    "1000": "1k",
    "0.1m": "100u",
    "0.0000000001": "1n",
    "128974848": "128974848",
    "129e6": "129e6",
    "129000000000000": "129T",
    "123Mi": "123Mi",
    "1e3": "1e3",
    "1000e3": "1e6",
    "0.5Ki": "512",
    "0.5Mi": "512Ki",
    "1.1Ki": "1126400m",
    "-1.5": "-1500m",
    "1E": "1E",
    "100000E": "100000E",
    "Mi": "0",
    "+5": "+5",
    "1.500": "1.500",
    "16Ei": "9223372036854775807",
    "1e-300": "1e-9",
  };
  for (const [text, want] of Object.entries(cases)) equal(canonicalQuantity(text), want, text);
});

Deno.test("parseQuantity() refuses what is no quantity, in upstream's words", () => {
  for (const text of ["", "1.2.3", "abc", " 1", "1 ", "1Mi ", "0x10", "1,5", "٣"]) {
    throws(() => parseQuantity(text), { name: "QuantityError", message: /^quantities must match the regular/ }, text);
  }
  for (const text of ["1i", "--1", "1mm", "1e", "1Mi5", "1e999999999", "1K"]) {
    throws(() => parseQuantity(text), { name: "QuantityError", message: "unable to parse quantity's suffix" }, text);
  }
  throws(() => parseQuantity("1".repeat(100_000)), QuantityError);
});

Deno.test("milliValue() and integerValue() round away from zero", () => {
  equal(milliValue(parseQuantity("1n")), 1);
  equal(milliValue(parseQuantity("-1n")), -1);
  equal(integerValue(parseQuantity("1500m")), 2);
  equal(integerValue(parseQuantity("1.1Ki")), 1127);
  equal(integerValue(parseQuantity("8Ei")), Number.MAX_SAFE_INTEGER);
  equal(bigValue(parseQuantity("4Ei")), 2n ** 62n);
});

Deno.test("quantities agree with a bigint fraction twin over random texts: value, order, sum, round trip", () => {
  const random = prng(11);
  const powers: Record<string, bigint> = { n: 1n, u: 1_000n, m: 1_000_000n, "": nano };
  for (const [i, name] of ["k", "M", "G", "T", "P", "E"].entries()) powers[name] = nano * 1000n ** BigInt(i + 1);
  for (const [i, name] of ["Ki", "Mi", "Gi", "Ti"].entries()) powers[name] = nano * 1024n ** BigInt(i + 1);
  const names = Object.keys(powers);
  function draw(): { text: string; nanos: bigint } {
    const suffix = names[random.int(names.length)] as string;
    const whole = String(random.int(random.int(2) === 0 ? 20 : 100_000));
    const fraction = random.int(3) === 0 ? String(random.int(1000)) : "";
    const sign = random.int(5) === 0 ? "-" : "";
    const scaled = BigInt(whole + fraction) * (powers[suffix] as bigint);
    const divisor = 10n ** BigInt(fraction.length);
    const nanos = (scaled + divisor - 1n) / divisor;
    return { text: `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}${suffix}`, nanos: sign ? -nanos : nanos };
  }
  for (let round = 0; round < 3000; round++) {
    const a = draw();
    const b = draw();
    const qa = parseQuantity(a.text);
    const qb = parseQuantity(b.text);
    equal(qa.nanos, a.nanos, a.text);
    equal(compareQuantities(qa, qb), a.nanos < b.nanos ? -1 : a.nanos > b.nanos ? 1 : 0);
    equal(addQuantities(qa, qb).nanos, a.nanos + b.nanos);
    equal(
      formatQuantity(subtractQuantities(addQuantities(qa, qb), qb)),
      formatQuantity({ nanos: qa.nanos, format: qa.nanos === 0n ? qb.format : qa.format }),
    );
    const again = parseQuantity(formatQuantity(qa));
    equal(again.nanos, a.nanos, `${a.text} -> ${formatQuantity(qa)}`);
    equal(formatQuantity(again), formatQuantity(qa), `canonical text of ${a.text} is a fixed point`);
    equal(parseMilli(a.text), milliValue(qa), a.text);
    equal(parseInteger(a.text), integerValue(qa), a.text);
  }
  ok(names.length === 14);
});

const nano = 1_000_000_000n;
