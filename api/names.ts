/**
 * What names, label keys and values, ports and environment variables may look like. Every function returns what is
 * wrong in Kubernetes's own words, an empty list when nothing is.
 */
import { byteLength } from "./go_text.ts";

const labelPattern = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const subdomainPattern = `${labelPattern}(\\.${labelPattern})*`;
const dns1035Pattern = "[a-z]([-a-z0-9]*[a-z0-9])?";
const qualifiedPattern = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const labelValuePattern = `(${qualifiedPattern})?`;
const configKeyPattern = "[-._a-zA-Z0-9]+";
const cIdentifierPattern = "[A-Za-z_][A-Za-z0-9_]*";
const percentPattern = "[0-9]+%";
const headerPattern = "[-A-Za-z0-9]+";

// `$` without the m flag matches at the very end only, so no value ending in a line feed gets by.
const labelRegExp = new RegExp(`^${labelPattern}$`);
const subdomainRegExp = new RegExp(`^${subdomainPattern}$`);
const dns1035RegExp = new RegExp(`^${dns1035Pattern}$`);
const qualifiedRegExp = new RegExp(`^${qualifiedPattern}$`);
const labelValueRegExp = new RegExp(`^${labelValuePattern}$`);
const configKeyRegExp = new RegExp(`^${configKeyPattern}$`);
const cIdentifierRegExp = new RegExp(`^${cIdentifierPattern}$`);
const percentRegExp = new RegExp(`^${percentPattern}$`);
const headerRegExp = new RegExp(`^${headerPattern}$`);

const subdomainText =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', " +
  "and must start and end with an alphanumeric character";

export function maxLengthText(bytesMax: number): string {
  return `must be no more than ${bytesMax} bytes`;
}

export function rangeText(low: number, high: number): string {
  return `must be between ${low} and ${high}, inclusive`;
}

function patternText(message: string, pattern: string, ...examples: readonly string[]): string {
  if (examples.length === 0) return `${message} (regex used for validation is '${pattern}')`;
  const list = examples.map((example) => `'${example}', `).join(" or ");
  return `${message} (e.g. ${list}regex used for validation is '${pattern}')`;
}

/** At most 63 bytes, lower case, digits and inner dashes. */
export function dns1123Label(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(maxLengthText(63));
  if (!labelRegExp.test(value)) {
    if (value.length <= 1024 && subdomainRegExp.test(value)) problems.push("must not contain dots");
    else {
      problems.push(patternText(
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', " +
          "and must start and end with an alphanumeric character",
        labelPattern,
        "my-name",
        "123-abc",
      ));
    }
  }
  return problems;
}

/** At most 253 bytes, labels joined by dots. */
export function dns1123Subdomain(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 253) problems.push(maxLengthText(253));
  if (!subdomainRegExp.test(value)) problems.push(patternText(subdomainText, subdomainPattern, "example.com"));
  return problems;
}

/** A label that starts with a letter. */
export function dns1035Label(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(maxLengthText(63));
  if (!dns1035RegExp.test(value)) {
    problems.push(patternText(
      "a DNS-1035 label must consist of lower case alphanumeric characters or '-', " +
        "start with an alphabetic character, and end with an alphanumeric character",
      dns1035Pattern,
      "my-name",
      "abc-123",
    ));
  }
  return problems;
}

/** A label key: `name` or `prefix/name`. */
export function qualifiedName(value: string): string[] {
  const partText = "must consist of alphanumeric characters, '-', '_' or '.', " +
    "and must start and end with an alphanumeric character";
  const parts = value.split("/");
  const problems: string[] = [];
  if (parts.length > 2) {
    const text = patternText(partText, qualifiedPattern, "MyName", "my.name", "123-abc");
    return [`a valid label key ${text} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`];
  }
  if (parts.length === 2) {
    const prefix = parts[0] as string;
    if (prefix === "") problems.push("prefix part must be non-empty");
    else for (const problem of dns1123Subdomain(prefix)) problems.push(`prefix part ${problem}`);
  }
  const name = parts[parts.length - 1] as string;
  if (name === "") problems.push("name part must be non-empty");
  else if (byteLength(name) > 63) problems.push(`name part ${maxLengthText(63)}`);
  if (!qualifiedRegExp.test(name)) {
    problems.push(`name part ${patternText(partText, qualifiedPattern, "MyName", "my.name", "123-abc")}`);
  }
  return problems;
}

export function labelValue(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 63) problems.push(maxLengthText(63));
  if (!labelValueRegExp.test(value)) {
    problems.push(patternText(
      "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', " +
        "and must start and end with an alphanumeric character",
      labelValuePattern,
      "MyValue",
      "my_value",
      "12345",
    ));
  }
  return problems;
}

/** A key of a ConfigMap or Secret. */
export function configMapKey(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 253) problems.push(maxLengthText(253));
  if (!configKeyRegExp.test(value)) {
    problems.push(patternText(
      "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
      configKeyPattern,
      "key.name",
      "KEY_NAME",
      "key-name",
    ));
  }
  if (value === ".") problems.push("must not be '.'");
  if (value === "..") problems.push("must not be '..'");
  else if (value.startsWith("..")) problems.push("must not start with '..'");
  return problems;
}

/** The relaxed rule of 1.34 on: printable ASCII without `=`. */
export function envVarName(value: string): string[] {
  const problems: string[] = [];
  if (value === "") problems.push("environment variable name must be non-empty");
  if (!/^[\x20-\x3c\x3e-\x7e]*$/.test(value)) {
    problems.push(
      "a valid environment variable name must consist only of printable ASCII characters other than '='",
    );
  }
  return problems;
}

export function cIdentifier(value: string): string[] {
  if (cIdentifierRegExp.test(value)) return [];
  const text = "a valid C identifier must start with alphabetic character or '_', " +
    "followed by a string of alphanumeric characters or '_'";
  return [patternText(text, cIdentifierPattern, "my_name", "MY_NAME", "MyName")];
}

/** A named port: at most 15 characters, `[-a-z0-9]`, one letter at least. */
export function portName(value: string): string[] {
  const problems: string[] = [];
  if (byteLength(value) > 15) problems.push(maxLengthText(15));
  if (!/^[-a-z0-9]+$/.test(value)) {
    problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!/[a-z]/.test(value)) problems.push("must contain at least one letter (a-z)");
  if (value.includes("--")) problems.push("must not contain consecutive hyphens");
  if (value.startsWith("-") || value.endsWith("-")) problems.push("must not begin or end with a hyphen");
  return problems;
}

export function portNumber(value: number): string[] {
  return value >= 1 && value <= 65535 ? [] : [rangeText(1, 65535)];
}

export function percent(value: string): string[] {
  if (percentRegExp.test(value)) return [];
  const text = "a valid percent string must be a numeric string followed by an ending '%'";
  return [patternText(text, percentPattern, "1%", "93%")];
}

export function httpHeaderName(value: string): string[] {
  if (headerRegExp.test(value)) return [];
  const text = "a valid HTTP header must consist of alphanumeric characters or '-'";
  return [patternText(text, headerPattern, "X-Header-Name")];
}

/** Dotted IPv4 without leading zeros, or IPv6. */
export function isIpAddress(value: string): boolean {
  return isIpv4(value) || isIpv6(value);
}

export function isIpv4(value: string): boolean {
  const parts = value.split(".");
  return parts.length === 4 && parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255);
}

export function isIpv6(value: string): boolean {
  if (value.length > 45 || !/^[0-9a-fA-F:.]+$/.test(value) || !value.includes(":")) return false;
  const halves = value.split("::");
  if (halves.length > 2) return false;
  let groups = 0;
  for (const [which, half] of halves.entries()) {
    if (half === "") continue;
    const parts = half.split(":");
    for (const [i, part] of parts.entries()) {
      const last = which === halves.length - 1 && i === parts.length - 1;
      if (last && part.includes(".")) {
        if (!isIpv4(part)) return false;
        groups += 2;
      } else {
        if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return false;
        groups++;
      }
    }
  }
  return halves.length === 2 ? groups < 8 : groups === 8;
}

/** `generateName` plus five characters from upstream's alphabet. @param pick a random integer in [0, bound) */
export function generatedName(base: string, pick: (bound: number) => number): string {
  // No vowels and no 0, 1, 3: no words by accident, no look-alikes.
  const alphabet = "bcdfghjklmnpqrstvwxz2456789";
  let suffix = "";
  for (let i = 0; i < 5; i++) suffix += alphabet[pick(alphabet.length)];
  // A name is at most 63 bytes for the kinds that need labels of it, so the base is cut to fit.
  return base.slice(0, 58) + suffix;
}
