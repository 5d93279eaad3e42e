import { compareBytes, utf8 } from "../../base/bytes.ts";

/**
 * A bbolt database, written in one go: what `etcdctl snapshot save` is expected to bring home, so that etcd itself can
 * restore it. Pages of 4 KiB: two meta pages, an empty free list, then a B+ tree for each bucket, bottom up. Source: the
 * format's own description in etcd-io/bbolt (page.go, bucket.go, meta).
 */
export interface BoltBucket {
  readonly name: string;
  /** Any order. */
  readonly pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[];
}

export const boltPageBytes = 4096;
const headerBytes = 16;
const elementBytes = 16;
const pageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freeList: 0x10 } as const;
const bucketElement = 0x01;
const magic = 0xed0c_daed;
const version = 2;
const firstTreePage = 3;

/** One page, or a leaf too long for one and the pages it runs over. */
interface Page {
  readonly id: number;
  /** How many pages it takes. */
  readonly span: number;
  readonly flags: number;
  readonly items: readonly Item[];
}

type Item =
  & { readonly key: Uint8Array }
  & ({ readonly value: Uint8Array; readonly bucket: boolean } | { readonly child: number });

/** The size of the file, and its bytes a page at a time. */
export function boltDatabase(buckets: readonly BoltBucket[]): { bytes: number; pages: Iterable<Uint8Array> } {
  const pages: Page[] = [];
  let next = firstTreePage;

  function add(flags: number, items: readonly Item[]): Page {
    const span = Math.ceil(sizeOf(items) / boltPageBytes);
    const page = { id: next, span, flags, items };
    next += span;
    pages.push(page);
    return page;
  }

  /** Answers the page of the root. */
  function tree(items: readonly Item[]): number {
    let level = packed(items).map((part) => add(pageFlag.leaf, part));
    while (level.length > 1) {
      const children = level.map((page): Item => ({ key: page.items[0]?.key ?? new Uint8Array(0), child: page.id }));
      level = packed(children).map((part) => add(pageFlag.branch, part));
    }
    return (level[0] ?? add(pageFlag.leaf, [])).id;
  }

  const roots = [...buckets].sort((a, b) => compareBytes(utf8(a.name), utf8(b.name))).map(({ name, pairs }): Item => {
    const sorted = [...pairs].sort(([a], [b]) => compareBytes(a, b));
    const root = tree(sorted.map(([key, value]) => ({ key, value, bucket: false })));
    return { key: utf8(name), value: bucketValue(root), bucket: true };
  });
  const root = tree(roots);
  const count = next;
  return {
    bytes: count * boltPageBytes,
    pages: function* () {
      // The second meta has the higher transaction id and counts; the first is what is there if it is torn.
      yield metaPage(0, { root, count, txid: 0 });
      yield metaPage(1, { root, count, txid: 1 });
      yield emptyPage(2, pageFlag.freeList);
      for (const page of pages) yield pageBytes(page);
    }(),
  };
}

function sizeOf(items: readonly Item[]): number {
  let bytes = headerBytes;
  for (const item of items) bytes += elementBytes + item.key.length + ("value" in item ? item.value.length : 0);
  return bytes;
}

/** As many items a page as fit; at least one. Never an empty list of pages. */
function packed(items: readonly Item[]): Item[][] {
  const parts: Item[][] = [];
  let bytes = Infinity;
  for (const item of items) {
    const size = sizeOf([item]) - headerBytes;
    if (bytes + size > boltPageBytes) {
      parts.push([]);
      bytes = headerBytes;
    }
    bytes += size;
    parts.at(-1)?.push(item);
  }
  return parts.length > 0 ? parts : [[]];
}

function header(view: DataView, page: { id: number; flags: number; count: number; overflow: number }): void {
  view.setBigUint64(0, BigInt(page.id), true);
  view.setUint16(8, page.flags, true);
  view.setUint16(10, page.count, true);
  view.setUint32(12, page.overflow, true);
}

function emptyPage(id: number, flags: number): Uint8Array {
  const bytes = new Uint8Array(boltPageBytes);
  header(new DataView(bytes.buffer), { id, flags, count: 0, overflow: 0 });
  return bytes;
}

function pageBytes({ id, span, flags, items }: Page): Uint8Array {
  const bytes = new Uint8Array(span * boltPageBytes);
  const view = new DataView(bytes.buffer);
  header(view, { id, flags, count: items.length, overflow: span - 1 });
  let at = headerBytes + items.length * elementBytes;
  items.forEach((item, i) => {
    const element = headerBytes + i * elementBytes;
    const position = at - element;
    if ("value" in item) {
      view.setUint32(element, item.bucket ? bucketElement : 0, true);
      view.setUint32(element + 4, position, true);
      view.setUint32(element + 8, item.key.length, true);
      view.setUint32(element + 12, item.value.length, true);
    } else {
      view.setUint32(element, position, true);
      view.setUint32(element + 4, item.key.length, true);
      view.setBigUint64(element + 8, BigInt(item.child), true);
    }
    bytes.set(item.key, at);
    at += item.key.length;
    if (!("value" in item)) return;
    bytes.set(item.value, at);
    at += item.value.length;
  });
  return bytes;
}

/** Root page and sequence of a bucket, as its parent's leaf holds them. */
function bucketValue(root: number): Uint8Array {
  const bytes = new Uint8Array(16);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(root), true);
  return bytes;
}

function metaPage(id: number, meta: { root: number; count: number; txid: number }): Uint8Array {
  const bytes = emptyPage(id, pageFlag.meta);
  const view = new DataView(bytes.buffer, headerBytes);
  view.setUint32(0, magic, true);
  view.setUint32(4, version, true);
  view.setUint32(8, boltPageBytes, true);
  view.setBigUint64(16, BigInt(meta.root), true);
  view.setBigUint64(32, 2n, true); // the free list
  view.setBigUint64(40, BigInt(meta.count), true);
  view.setBigUint64(48, BigInt(meta.txid), true);
  view.setBigUint64(56, fnv1a(bytes.subarray(headerBytes, headerBytes + 56)), true);
  return bytes;
}

function fnv1a(bytes: Uint8Array): bigint {
  let hash = 0xcbf2_9ce4_8422_2325n;
  for (const byte of bytes) hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100_0000_01b3n);
  return hash;
}
