/** A header field: a name in lower case and a value, one character a byte. */
export type Field = readonly [name: string, value: string];

/** RFC 7541 Appendix A. Its first entry has index 1. */
export const staticTable: readonly Field[] = `:authority
:method=GET
:method=POST
:path=/
:path=/index.html
:scheme=http
:scheme=https
:status=200
:status=204
:status=206
:status=304
:status=400
:status=404
:status=500
accept-charset
accept-encoding=gzip, deflate
accept-language
accept-ranges
accept
access-control-allow-origin
age
allow
authorization
cache-control
content-disposition
content-encoding
content-language
content-length
content-location
content-range
content-type
cookie
date
etag
expect
expires
from
host
if-match
if-modified-since
if-none-match
if-range
if-unmodified-since
last-modified
link
location
max-forwards
proxy-authenticate
proxy-authorization
range
referer
refresh
retry-after
server
set-cookie
strict-transport-security
transfer-encoding
user-agent
vary
via
www-authenticate`.split("\n").map((line): Field => {
  const [name = "", value = ""] = line.split("=");
  return [name, value];
});

/** Bytes a field counts for in a table (RFC 7541 4.1) and in a header list (RFC 9113 6.5.2). */
export function fieldSize([name, value]: Field): number {
  return name.length + value.length + 32;
}

/** The fields that both ends remember, the newest first. Its size stays within a bound that the decoder's end sets. */
export class DynamicTable {
  /** The oldest first. */
  readonly #fields: Field[] = [];
  readonly #evicted: (field: Field, serial: number) => void;
  #size = 0;
  #sizeMax: number;
  #serial = 0;

  /** @param evicted is told of each field that leaves, and its serial number, from 0 */
  constructor(sizeMax: number, evicted: (field: Field, serial: number) => void = () => {}) {
    this.#sizeMax = sizeMax;
    this.#evicted = evicted;
  }

  get sizeMax(): number {
    return this.#sizeMax;
  }

  /** How many fields were ever added: the serial number of the next. */
  get serial(): number {
    return this.#serial;
  }

  /** @param index 0: the newest */
  get(index: number): Field | undefined {
    return this.#fields[this.#fields.length - 1 - index];
  }

  /** A field over the bound empties the table, and is no error (RFC 7541 4.4). */
  add(field: Field): void {
    const size = fieldSize(field);
    this.#evictTo(this.#sizeMax - size);
    this.#serial++;
    if (size > this.#sizeMax) return;
    this.#fields.push(field);
    this.#size += size;
  }

  resize(sizeMax: number): void {
    this.#sizeMax = sizeMax;
    this.#evictTo(sizeMax);
  }

  #evictTo(size: number): void {
    while (this.#size > size) {
      const field = this.#fields.shift();
      if (field === undefined) return;
      this.#size -= fieldSize(field);
      this.#evicted(field, this.#serial - this.#fields.length - 1);
    }
  }
}
