/**
 * The static Huffman code of HPACK (RFC 7541 Appendix B). The code is canonical: codes of one length follow the symbols'
 * order, shorter ones come first. So the lengths are the whole table.
 */
const lengths: readonly number[] = [
  ...[13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28],
  ...[28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15],
  ...[6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6],
  ...[15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20],
  ...[20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23],
  ...[24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22],
  ...[22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27],
  ...[24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26],
  ...[26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30],
];
const endOfString = 256;
const longest = 30;

interface Code {
  /** Code of each symbol. */
  readonly codes: Uint32Array;
  /** Symbols by length, then value. */
  readonly symbols: Uint16Array;
  /** By length: its first code, how many there are, and where they begin in `symbols`. */
  readonly first: Uint32Array;
  readonly count: Uint32Array;
  readonly start: Uint32Array;
}

function canonical(): Code {
  const symbols = Uint16Array.from(lengths.keys()).sort((a, b) => at(a) - at(b) || a - b);
  const codes = new Uint32Array(lengths.length);
  const [first, count, start] = [0, 1, 2].map(() => new Uint32Array(longest + 2)) as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  for (const length of lengths) count[length] = (count[length] as number) + 1;
  let code = 0;
  let index = 0;
  for (let length = 1; length <= longest; length++) {
    code *= 2;
    first[length] = code;
    start[length] = index;
    for (let i = 0; i < (count[length] as number); i++) codes[symbols[index++] as number] = code++;
  }
  return { codes, symbols, first, count, start };
}

function at(symbol: number): number {
  return lengths[symbol] as number; // 257 lengths, one for each symbol
}

const code = canonical();

/** How many bytes {@linkcode encodeHuffman} would make of it. */
export function huffmanLength(text: Uint8Array): number {
  let bits = 0;
  for (let i = 0; i < text.length; i++) bits += at(text[i] as number);
  return (bits + 7) >> 3;
}

export function encodeHuffman(text: Uint8Array): Uint8Array {
  const out = new Uint8Array(huffmanLength(text));
  let position = 0;
  let pending = 0; // at most 7 + 30 bits: beyond 32, so no shifts
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const symbol = text[i] as number;
    pending = pending * 2 ** at(symbol) + (code.codes[symbol] as number);
    bits += at(symbol);
    while (bits >= 8) {
      bits -= 8;
      const byte = Math.floor(pending / 2 ** bits);
      out[position++] = byte;
      pending -= byte * 2 ** bits;
    }
  }
  // Filled up with the first bits of the end-of-string code, which are ones.
  if (bits > 0) out[position] = (pending * 2 ** (8 - bits)) | (0xff >> bits);
  return out;
}

/** Null when the bytes are no such code: a whole end-of-string symbol, or a padding over 7 bits or not all ones. */
export function decodeHuffman(bytes: Uint8Array): Uint8Array | null {
  const out = new Uint8Array(Math.floor((bytes.length * 8) / 5) + 1);
  let size = 0;
  let word = 0;
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] as number;
    for (let bit = 7; bit >= 0; bit--) {
      word = word * 2 + ((byte >> bit) & 1);
      length++;
      const offset = word - (code.first[length] as number);
      if (offset >= 0 && offset < (code.count[length] as number)) {
        const symbol = code.symbols[(code.start[length] as number) + offset] as number;
        if (symbol === endOfString) return null;
        out[size++] = symbol;
        word = 0;
        length = 0;
      } else if (length >= longest) return null;
    }
  }
  if (length > 7 || word !== 2 ** length - 1) return null;
  return out.subarray(0, size);
}
