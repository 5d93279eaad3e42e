/** Checks that many kinds share. Each returns what is wrong at `path`. */
import { type FieldError, invalid, notSupported, required } from "../field_errors.ts";
import type { IntOrString } from "../gen/types.ts";
import { dns1123Label, dns1123Subdomain, isIpAddress, percent, portName, portNumber, qualifiedName } from "../names.ts";

export const nonNegativeText = "must be greater than or equal to 0";
export const immutableText = "field is immutable";

/** Go's zero value of a string field. */
export function unset(text: string | undefined): text is undefined | "" {
  return text === undefined || text === "";
}

export function nonNegative(value: number | undefined, path: string): FieldError[] {
  return value !== undefined && value < 0 ? [invalid(path, value, nonNegativeText)] : [];
}

export function each(problems: readonly string[], path: string, value: unknown): FieldError[] {
  return problems.map((problem) => invalid(path, value, problem));
}

export function labelAt(value: string, path: string): FieldError[] {
  return each(dns1123Label(value), path, value);
}

export function subdomainAt(value: string, path: string): FieldError[] {
  return each(dns1123Subdomain(value), path, value);
}

export function qualifiedAt(value: string, path: string): FieldError[] {
  return each(qualifiedName(value), path, value);
}

/** A required field with a closed set of values. @param values in the order that the message lists them */
export function oneOf(value: string | undefined, path: string, values: readonly string[]): FieldError[] {
  if (unset(value)) return [required(path)];
  return values.includes(value) ? [] : [notSupported(path, value, values)];
}

/** The same for a field that may be absent. */
export function optionalOneOf(value: string | undefined, path: string, values: readonly string[]): FieldError[] {
  return value === undefined || values.includes(value) ? [] : [notSupported(path, value, values)];
}

export function portNumberOrName(port: IntOrString | undefined, path: string): FieldError[] {
  if (typeof port === "string") return each(portName(port), path, port);
  return each(portNumber(port ?? 0), path, port ?? 0);
}

export function nonNegativeOrPercent(value: IntOrString, path: string): FieldError[] {
  return typeof value === "string" ? each(percent(value), path, value) : nonNegative(value, path);
}

export function ipAt(value: string, path: string): FieldError[] {
  if (isIpAddress(value)) return [];
  return [invalid(path, value, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)")];
}

export function cidrAt(value: string, path: string): FieldError[] {
  const [address = "", bits = ""] = value.split("/");
  const max = address.includes(":") ? 128 : 32;
  const fits = /^(0|[1-9][0-9]{0,2})$/.test(bits) && Number(bits) <= max && value.split("/").length === 2;
  if (fits && isIpAddress(address)) return [];
  return [invalid(path, value, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)")];
}

/** Addresses that no endpoint may have, except loopback ones where the cluster's network is loopback. */
export function nonSpecialIp(value: string, path: string, allowLoopback: boolean): FieldError[] {
  const lower = value.toLowerCase();
  if (value === "0.0.0.0" || lower === "::") return [invalid(path, value, `may not be unspecified (${value})`)];
  if (!allowLoopback && (value.startsWith("127.") || lower === "::1")) {
    return [invalid(path, value, "may not be in the loopback range (127.0.0.0/8, ::1/128)")];
  }
  if (value.startsWith("169.254.") || /^fe[89ab]/.test(lower)) {
    return [invalid(path, value, "may not be in the link-local range (169.254.0.0/16, fe80::/10)")];
  }
  if (value.startsWith("224.0.0.") || lower.startsWith("ff02:")) {
    return [invalid(path, value, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")];
  }
  return [];
}

/** A relative path inside a volume. */
export function localDescendingPath(value: string, path: string): FieldError[] {
  if (value.startsWith("/")) return [invalid(path, value, "must be a relative path")];
  return noBacksteps(value, path);
}

export function noBacksteps(value: string, path: string): FieldError[] {
  return value.split("/").includes("..") ? [invalid(path, value, "must not contain '..'")] : [];
}

/** The same, and not beginning with `..`, which the kubelet keeps for itself. */
export function localNonReservedPath(value: string, path: string): FieldError[] {
  const errors = localDescendingPath(value, path);
  if (errors.length === 0 && value.startsWith("..")) errors.push(invalid(path, value, "must not start with '..'"));
  return errors;
}
