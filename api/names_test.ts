import { deepEqual, equal } from "node:assert/strict";
import * as names from "./names.ts";
import { formatMicroTime, formatTime, parseTime, parseTimeExact } from "./time.ts";

Deno.test("dns1123Label() and its kin accept and refuse as upstream does", () => {
  deepEqual(names.dns1123Label("my-name"), []);
  deepEqual(names.dns1123Label("a.b"), ["must not contain dots"]);
  deepEqual(names.dns1123Label("A"), [
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end " +
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is " +
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
  ]);
  equal(names.dns1123Label("a".repeat(64))[0], "must be no more than 63 bytes");
  equal(names.dns1123Subdomain("a..b").length, 1);
  equal(names.dns1123Subdomain("a\n").length, 1);
  equal(names.dns1035Label("1a").length, 1);
  deepEqual(names.qualifiedName("example.com/Name_1"), []);
  deepEqual(names.qualifiedName("/x"), ["prefix part must be non-empty"]);
  equal(names.qualifiedName("a/b/c").length, 1);
  deepEqual(names.labelValue(""), []);
  deepEqual(names.configMapKey(".."), ["must not be '..'"]);
  deepEqual(names.configMapKey("..a"), ["must not start with '..'"]);
  deepEqual(names.portName("http-1"), []);
  deepEqual(names.portName("80"), ["must contain at least one letter (a-z)"]);
  equal(names.generatedName("web-", () => 0), "web-bbbbb");
});

Deno.test("isIpAddress() accepts IPv4 without leading zeros and IPv6", () => {
  for (const good of ["10.0.0.1", "::", "::1", "fe80::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"]) {
    equal(names.isIpAddress(good), true, good);
  }
  for (const bad of ["", "1.2.3", "01.2.3.4", "256.1.1.1", "1:2", ":::", "1::2::3", "g::", "1:2:3:4:5:6:7:8:9"]) {
    equal(names.isIpAddress(bad), false, bad);
  }
});

Deno.test("parseTime() reads RFC 3339 and nothing else; formatTime() cuts to seconds", () => {
  equal(formatTime(1_700_000_000_999), "2023-11-14T22:13:20Z");
  equal(formatMicroTime(1_700_000_000_999, 7), "2023-11-14T22:13:20.999007Z");
  equal(parseTime("2023-11-14T23:13:20.5+01:00"), 1_700_000_000_500);
  deepEqual(parseTimeExact("2023-11-14T22:13:20.123456Z"), { unixMs: 1_700_000_000_123, micros: 456 });
  for (const bad of ["", "2023-02-30T00:00:00Z", "2023-11-14 22:13:20Z", "2023-11-14T24:00:00Z", "now"]) {
    equal(parseTime(bad), undefined, bad);
  }
});
