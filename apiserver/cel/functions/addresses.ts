import { CidrValue, IpValue } from "../values.ts";

/** Undefined for what Kubernetes does not take as an address: leading zeros, zones, IPv4 in IPv6. */
export function parseIp(text: string): IpValue | undefined {
  if (text.length > 45) return undefined;
  if (!text.includes(":")) {
    const parts = text.split(".");
    if (parts.length !== 4 || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256)) {
      return undefined;
    }
    return new IpValue(parts.reduce((bits, part) => bits << 8n | BigInt(part), 0n), 32);
  }
  if (text.includes(".") || (text.match(/::/g) ?? []).length > 1 || /:::/.test(text)) return undefined;
  const [left = "", right] = text.split("::");
  const groups = (side: string) => side === "" ? [] : side.split(":");
  const head = groups(left);
  const tail = right === undefined ? [] : groups(right);
  const missing = 8 - head.length - tail.length;
  if (right === undefined ? missing !== 0 : missing < 1) return undefined;
  const all = [...head, ...Array<string>(missing).fill("0"), ...tail];
  if (!all.every((group) => /^[0-9a-fA-F]{1,4}$/.test(group))) return undefined;
  return new IpValue(all.reduce((bits, group) => bits << 16n | BigInt(`0x${group}`), 0n), 128);
}

export function parseCidr(text: string): CidrValue | undefined {
  const [address = "", bits = "", ...more] = text.split("/");
  const ip = parseIp(address);
  if (ip === undefined || more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits) || Number(bits) > ip.width) {
    return undefined;
  }
  return new CidrValue(ip, Number(bits));
}

export function ipText(ip: IpValue): string {
  if (ip.width === 32) return [24n, 16n, 8n, 0n].map((shift) => ip.bits >> shift & 255n).join(".");
  const groups = Array.from({ length: 8 }, (_, i) => (ip.bits >> BigInt(16 * (7 - i)) & 0xffffn).toString(16));
  // RFC 5952: the longest run of zeros, the first of equals, and at least two.
  let best = { from: 0, length: 1 };
  for (let from = 0; from < 8; from++) {
    let length = 0;
    while (from + length < 8 && groups[from + length] === "0") length++;
    if (length > best.length) best = { from, length };
  }
  if (best.length < 2) return groups.join(":");
  return `${groups.slice(0, best.from).join(":")}::${groups.slice(best.from + best.length).join(":")}`;
}

export function cidrText({ address, prefix }: CidrValue): string {
  return `${ipText(address)}/${prefix}`;
}

export function masked({ address, prefix }: CidrValue): CidrValue {
  const host = BigInt(address.width - prefix);
  return new CidrValue(new IpValue(address.bits >> host << host, address.width), prefix);
}

export function containsIp(net: CidrValue, ip: IpValue): boolean {
  const host = BigInt(net.address.width - net.prefix);
  return net.address.width === ip.width && net.address.bits >> host === ip.bits >> host;
}

/** Whether the first `bits` bits of `ip` are those of `text`. */
export function isIn(ip: IpValue, ...ranges: readonly string[]): boolean {
  return ranges.some((range) => {
    const net = parseCidr(range);
    return net !== undefined && containsIp(net, ip);
  });
}
