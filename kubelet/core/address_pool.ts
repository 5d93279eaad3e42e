/** The IPv4 addresses of one CIDR, given out lowest first from where the last one was given; the first 2 are kept back. */
export interface AddressPool {
  /** `wanted` when it is free and inside; otherwise any; null when all are taken. */
  take(wanted?: string): string | null;
  /** Idempotent. */
  free(address: string): void;
  readonly taken: number;
}

/** The network's own address and the one that a bridge would have. */
const reserved = 2;

function toNumber(address: string): number {
  const parts = address.split(".").map(Number);
  if (parts.length !== 4 || parts.some((part) => !(Number.isInteger(part) && part >= 0 && part <= 255))) return -1;
  return parts.reduce((number, part) => number * 256 + part, 0);
}

function toText(number: number): string {
  return [24, 16, 8, 0].map((shift) => Math.floor(number / 2 ** shift) % 256).join(".");
}

/** @param cidr `127.64.16.0/24`; throws RangeError for anything else */
export function createAddressPool(cidr: string): AddressPool {
  const [base = "", bits = ""] = cidr.split("/");
  const prefix = Number(bits);
  const start = toNumber(base);
  if (start < 0 || !/^\d+$/.test(bits) || prefix > 30 || prefix < 8) throw new RangeError(`Not an IPv4 range: ${cidr}`);
  const size = 2 ** (32 - prefix);
  const first = start - (start % size);
  const used = new Set<number>();
  let next = reserved;
  return {
    get taken() {
      return used.size;
    },
    take(wanted) {
      const offset = wanted === undefined ? -1 : toNumber(wanted) - first;
      if (offset >= reserved && offset < size - 1 && !used.has(offset)) {
        used.add(offset);
        return toText(first + offset);
      }
      const usable = size - 1 - reserved; // the last is the broadcast address
      for (let tried = 0; tried < usable; tried++) {
        const candidate = next;
        next = next + 1 >= size - 1 ? reserved : next + 1;
        if (used.has(candidate)) continue;
        used.add(candidate);
        return toText(first + candidate);
      }
      return null;
    },
    free(address) {
      used.delete(toNumber(address) - first);
    },
  };
}
