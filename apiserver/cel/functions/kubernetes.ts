import {
  addQuantities,
  compareQuantities,
  type Quantity,
  subtractQuantities,
  tryParseQuantity,
} from "../../../api/quantity.ts";
import type { Functions } from "../functions.ts";
import { CelError, CidrValue, IpValue, QuantityValue, UrlValue, type Value } from "../values.ts";
import { containsIp, ipText, isIn, masked, parseCidr, parseIp } from "./addresses.ts";
import { instanceAt, noOverload, textAt } from "./arguments.ts";

const nano = 1_000_000_000n;

function quantity(args: readonly Value[], index = 0): Quantity {
  const value = args[index];
  if (value instanceof QuantityValue) return value.quantity;
  if (typeof value === "bigint") return { nanos: value * nano, format: "DecimalSI" };
  return noOverload();
}

function parseUrl(text: string): UrlValue | undefined {
  if (text.startsWith("/") && !text.startsWith("//")) {
    return URL.canParse(text, "http://_") ? new UrlValue(text, new URL(text, "http://_")) : undefined;
  }
  return /^[a-zA-Z][a-zA-Z0-9+.-]*:\/\//.test(text) && URL.canParse(text)
    ? new UrlValue(text, new URL(text))
    : undefined;
}

function must<T>(value: T | undefined, why: string): T {
  if (value === undefined) throw new CelError(why);
  return value;
}

function ip(value: Value | undefined): IpValue {
  if (value instanceof IpValue) return value;
  return typeof value === "string"
    ? must(parseIp(value), `IP Address ${JSON.stringify(value)} parse error during conversion from string`)
    : noOverload();
}

function cidr(value: Value | undefined): CidrValue {
  if (value instanceof CidrValue) return value;
  return typeof value === "string"
    ? must(parseCidr(value), `network address parse error during conversion from string: ${JSON.stringify(value)}`)
    : noOverload();
}

const url = (args: readonly Value[]) => instanceAt(args, 0, UrlValue);
const isRelative = (it: UrlValue) => it.text.startsWith("/");

/** Kubernetes's library. @see apiserver pkg/cel/library */
export const kubernetes: Functions = {
  "jsonpatch.escapeKey": (args) => textAt(args, 0).replaceAll("~", "~0").replaceAll("/", "~1"),
  "quantity": (args) => {
    const text = textAt(args, 0);
    return new QuantityValue(must(
      tryParseQuantity(text),
      "quantities must match the regular expression " +
        "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
    ));
  },
  "isQuantity": (args) => tryParseQuantity(textAt(args, 0)) !== undefined,
  "_.sign": (args) => {
    const { nanos } = quantity(args);
    return nanos > 0n ? 1n : nanos < 0n ? -1n : 0n;
  },
  "_.isInteger": (args) => quantity(args).nanos % nano === 0n,
  "_.asInteger": (args) => {
    const { nanos } = quantity(args);
    if (nanos % nano !== 0n) throw new CelError("cannot convert value to integer");
    return nanos / nano;
  },
  "_.asApproximateFloat": (args) => Number(quantity(args).nanos) / 1e9,
  "_.add": (args) => new QuantityValue(addQuantities(quantity(args), quantity(args, 1))),
  "_.sub": (args) => new QuantityValue(subtractQuantities(quantity(args), quantity(args, 1))),
  "_.isLessThan": (args) => compareQuantities(quantity(args), quantity(args, 1)) < 0,
  "_.isGreaterThan": (args) => compareQuantities(quantity(args), quantity(args, 1)) > 0,
  "_.compareTo": (args) => BigInt(compareQuantities(quantity(args), quantity(args, 1))),
  "url": (args) => {
    const text = textAt(args, 0);
    return must(
      parseUrl(text),
      `URL parse error during conversion from string: parse ${JSON.stringify(text)}: invalid URI for request`,
    );
  },
  "isURL": (args) => parseUrl(textAt(args, 0)) !== undefined,
  "_.getScheme": (args) => isRelative(url(args)) ? "" : url(args).url.protocol.replace(":", ""),
  "_.getHost": (args) => isRelative(url(args)) ? "" : url(args).url.host,
  "_.getHostname": (args) => isRelative(url(args)) ? "" : url(args).url.hostname.replace(/^\[|\]$/g, ""),
  "_.getPort": (args) => isRelative(url(args)) ? "" : url(args).url.port,
  "_.getEscapedPath": (args) =>
    url(args).url.pathname === "/" && !/[^/]\/$|^\/$/.test(url(args).text) ? "" : url(args).url.pathname,
  "_.getQuery": (args) => {
    const query = new Map<string, string[]>();
    for (const [key, value] of url(args).url.searchParams) query.set(key, [...query.get(key) ?? [], value]);
    return query;
  },
  "ip": ([value]) => value instanceof CidrValue ? value.address : ip(value),
  "isIP": (args) => parseIp(textAt(args, 0)) !== undefined,
  "ip.isCanonical": (args) => ipText(ip(textAt(args, 0))) === textAt(args, 0),
  "_.family": (args) => ip(args[0]).width === 32 ? 4n : 6n,
  "_.isUnspecified": (args) => ip(args[0]).bits === 0n,
  "_.isLoopback": (args) => isIn(ip(args[0]), "127.0.0.0/8", "::1/128"),
  "_.isLinkLocalMulticast": (args) => isIn(ip(args[0]), "224.0.0.0/24", "ff02::/16"),
  "_.isLinkLocalUnicast": (args) => isIn(ip(args[0]), "169.254.0.0/16", "fe80::/10"),
  "_.isGlobalUnicast": (args) => {
    const it = ip(args[0]);
    const special = ["0.0.0.0/32", "255.255.255.255/32", "127.0.0.0/8", "224.0.0.0/4", "169.254.0.0/16"];
    return !isIn(it, ...special, "::/128", "::1/128", "ff00::/8", "fe80::/10");
  },
  "cidr": ([value]) => cidr(value),
  "isCIDR": (args) => parseCidr(textAt(args, 0)) !== undefined,
  "_.ip": (args) => instanceAt(args, 0, CidrValue).address,
  "_.prefixLength": (args) => BigInt(instanceAt(args, 0, CidrValue).prefix),
  "_.masked": (args) => masked(instanceAt(args, 0, CidrValue)),
  "_.containsIP": (args) => containsIp(instanceAt(args, 0, CidrValue), ip(args[1])),
  "_.containsCIDR": (args) => {
    const [outer, inner] = [instanceAt(args, 0, CidrValue), cidr(args[1])];
    return inner.prefix >= outer.prefix && containsIp(outer, inner.address);
  },
};
