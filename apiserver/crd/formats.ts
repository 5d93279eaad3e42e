import { isIpAddress } from "../../api/names.ts";
import { parseTimeExact } from "../../api/time.ts";

const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const uuid = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
const hostname =
  /^(?=.{1,253}$)[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,62}[a-zA-Z0-9])?)*$/;

/** Checks of string formats; a format that is not here is not checked, as upstream does. None of them backtracks far. */
const checks = new Map<string, (text: string) => boolean>([
  ["byte", (text) => base64.test(text)],
  ["cidr", isCidr],
  ["date", (text) => /^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))],
  ["date-time", (text) => parseTimeExact(text) !== undefined],
  ["datetime", (text) => parseTimeExact(text) !== undefined],
  ["duration", (text) => /^[+-]?(?:\d+(?:\.\d*)?(?:ns|us|µs|ms|s|m|h|d|w))+$|^0$/.test(text)],
  ["email", (text) => text.length <= 254 && /^[^\s@<>]+@[^\s@<>.]+(?:\.[^\s@<>.]+)*$/.test(text)],
  ["hexcolor", (text) => /^#?(?:[0-9a-f]{3}|[0-9a-f]{6})$/i.test(text)],
  ["hostname", (text) => hostname.test(text)],
  ["ipv4", (text) => isIpAddress(text) && !text.includes(":")],
  ["ipv6", (text) => isIpAddress(text) && text.includes(":")],
  ["mac", (text) => /^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}$|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}$/i.test(text)],
  ["uri", (text) => URL.canParse(text)],
  ["uuid", (text) => uuid.test(text)],
  ["uuid3", (text) => uuid.test(text) && text.replaceAll("-", "")[12] === "3"],
  ["uuid4", (text) => uuid.test(text) && text.replaceAll("-", "")[12] === "4"],
  ["uuid5", (text) => uuid.test(text) && text.replaceAll("-", "")[12] === "5"],
]);

export function hasFormat(format: string, text: string): boolean {
  return checks.get(format)?.(text) ?? true;
}

function isCidr(text: string): boolean {
  const slash = text.lastIndexOf("/");
  const address = text.slice(0, slash);
  const bits = text.slice(slash + 1);
  return slash > 0 && isIpAddress(address) && /^\d{1,3}$/.test(bits) &&
    Number(bits) <= (address.includes(":") ? 128 : 32);
}
