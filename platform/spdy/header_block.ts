import { Unzlib } from "fflate";
import { concatBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { adler32, headerDictionary } from "./dictionary.ts";
import { SpdyError } from "./frames.ts";
import { maxHeaderBytes, maxHeaders } from "./limits.ts";

/** Names are lower case; several values of one name are joined by `, `. */
export type SpdyHeaders = ReadonlyMap<string, string>;

/**
 * Writes header blocks into one zlib stream. They are stored, not compressed: a handful of short headers a stream are
 * not worth a compressor, and every decoder reads both.
 * @see RFC 1950 (FDICT), RFC 1951 3.2.4
 */
export class HeaderEncoder {
  #started = false;

  encode(headers: SpdyHeaders): Uint8Array {
    const block = plainBlock(headers);
    const length = block.length;
    const stored = concatBytes([
      Uint8Array.of(0, length & 0xff, length >> 8, ~length & 0xff, (~length >> 8) & 0xff),
      block,
      flush,
    ]);
    if (this.#started) return stored;
    this.#started = true;
    return concatBytes([zlibHeader(), stored]);
  }
}

/** An empty stored block: Go's inflater hands nothing out before it has seen the head of the block that follows. */
const flush = Uint8Array.of(0, 0, 0, 0xff, 0xff);

/** Deflate with a 32 KiB window and a preset dictionary, which its checksum names. */
function zlibHeader(): Uint8Array {
  const header = new Uint8Array(6);
  header.set([0x78, 0xbb]);
  new DataView(header.buffer).setUint32(2, adler32(headerDictionary));
  return header;
}

function plainBlock(headers: SpdyHeaders): Uint8Array {
  const parts: Uint8Array[] = [uint32(headers.size)];
  for (const [name, value] of headers) {
    for (const text of [name, value]) {
      const bytes = utf8(text);
      parts.push(uint32(bytes.length), bytes);
    }
  }
  const block = concatBytes(parts);
  if (block.length > 0xffff) throw new SpdyError(`headers of ${block.length} bytes do not fit a frame`);
  return block;
}

function uint32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value);
  return bytes;
}

/** Compressed bytes that are inflated at once: with deflate's factor of 1032 at most 264 KiB beyond the bound. */
const inflateStep = 256;

/** Reads header blocks, which are one zlib stream over a connection: a block cannot be left out. */
export class HeaderDecoder {
  readonly #inflate = new Unzlib({ dictionary: headerDictionary }, (chunk) => {
    this.#size += chunk.length;
    if (chunk.length > 0) this.#inflated.push(chunk);
  });
  #inflated: Uint8Array[] = [];
  #size = 0;

  /** @throws SpdyError the connection is of no more use */
  decode(block: Uint8Array): SpdyHeaders {
    this.#inflated = [];
    this.#size = 0;
    try {
      for (let at = 0; at < block.length; at += inflateStep) {
        // A copy: the inflater keeps what it was given until it has all of a symbol.
        this.#inflate.push(block.slice(at, at + inflateStep));
        if (this.#size > maxHeaderBytes) throw new SpdyError(`headers of more than ${maxHeaderBytes} bytes`);
      }
    } catch (error) {
      if (error instanceof SpdyError) throw error;
      throw new SpdyError(`header block cannot be inflated: ${String(error)}`, { cause: error });
    }
    return readBlock(concatBytes(this.#inflated));
  }
}

function readBlock(bytes: Uint8Array): SpdyHeaders {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const number = (): number => {
    if (at + 4 > bytes.length) throw new SpdyError("header block ends early");
    at += 4;
    return view.getUint32(at - 4);
  };
  const text = (): string => {
    const length = number();
    if (at + length > bytes.length) throw new SpdyError("header block ends early");
    at += length;
    return fromUtf8(bytes.subarray(at - length, at));
  };
  const count = number();
  if (count > maxHeaders) throw new SpdyError(`${count} headers`);
  const headers = new Map<string, string>();
  for (let i = 0; i < count; i++) {
    const name = text().toLowerCase();
    headers.set(name, text().replaceAll("\0", ", "));
  }
  return headers;
}
