import { must } from "../../base/assert.ts";
import { compareBytes, utf8 } from "../../base/bytes.ts";

/**
 * A bbolt database, written in one go: what `etcdctl snapshot save` is expected to bring home, so that etcd itself can
 * restore it. Pages of 4 KiB: two meta pages, an empty free list, then a B+ tree for each bucket, bottom up. Source: the
 * format's own description in etcd-io/bbolt (page.go, bucket.go, meta).
 *
 * The first page says where everything is, so all pages are laid out, from the lengths alone, before the first one is
 * made; a pair is asked for when its page is.
 */
export interface BoltBucket {
  readonly name: string;
  readonly pairs: BoltPairs;
}

/** Pairs in ascending order of their keys. */
export interface BoltPairs {
  readonly size: number;
  /** Of key and value together. */
  lengthOf(index: number): number;
  key(index: number): Uint8Array;
  value(index: number): Uint8Array;
}

export const boltPageBytes = 4096;
const headerBytes = 16;
const elementBytes = 16;
const pageFlag = { branch: 0x01, leaf: 0x02, meta: 0x04, freeList: 0x10 } as const;
const bucketElement = 0x01;
const magic = 0xed0c_daed;
const version = 2;
const firstTreePage = 3;

type Item =
  & { readonly key: Uint8Array }
  & ({ readonly value: Uint8Array; readonly bucket: boolean } | { readonly child: number });

/** Pairs that are there already, in any order. */
export function boltPairs(pairs: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): BoltPairs {
  const sorted = pairs.toSorted(([a], [b]) => compareBytes(a, b));
  const at = (index: number) => must(sorted[index], "a pair has an index below the size");
  return {
    size: sorted.length,
    lengthOf: (index) => at(index)[0].length + at(index)[1].length,
    key: (index) => at(index)[0],
    value: (index) => at(index)[1],
  };
}

/** The size of the file, and its bytes a page at a time; a page with one long pair is as long as that needs. Once. */
export function boltDatabase(buckets: readonly BoltBucket[]): { bytes: number; pages: Iterable<Uint8Array> } {
  let next = firstTreePage;
  const trees = buckets.toSorted((a, b) => compareBytes(utf8(a.name), utf8(b.name))).map(({ name, pairs }) => {
    const tree = new Tree(pairs, next, false);
    next = tree.end;
    return { name, tree };
  });
  const roots = boltPairs(trees.map(({ name, tree }) => [utf8(name), bucketValue(tree.root)]));
  const root = new Tree(roots, next, true);
  const count = root.end;
  return {
    bytes: count * boltPageBytes,
    pages: function* () {
      // The second meta has the higher transaction id and counts; the first is what is there if it is torn.
      yield metaPage(0, { root: root.root, count, txid: 0 });
      yield metaPage(1, { root: root.root, count, txid: 1 });
      yield emptyPage(2, pageFlag.freeList);
      for (const { tree } of trees) yield* tree.pages();
      yield* root.pages();
    }(),
  };
}

/** One level of a tree: its pages, from left to right. */
interface Level {
  /** The first item of each page: a pair for leaves, a page of the level below otherwise; and the number of all items. */
  readonly starts: number[];
  /** The first page's number, and the one behind the last; of each page where it begins. */
  readonly ids: number[];
}

/** Numbers alone for every page: a database of a gigabyte takes some megabytes here. */
class Tree {
  readonly #pairs: BoltPairs;
  /** Leaves first. */
  readonly #levels: Level[] = [];
  readonly #buckets: boolean;

  constructor(pairs: BoltPairs, firstPage: number, buckets: boolean) {
    this.#pairs = pairs;
    this.#buckets = buckets;
    let level = packed(pairs.size, (i) => pairs.lengthOf(i), firstPage);
    this.#levels.push(level);
    while (level.ids.length > 2) {
      const below = this.#levels.length - 1;
      level = packed(level.ids.length - 1, (page) => this.#firstKey(below, page).length, level.ids.at(-1) ?? 0);
      this.#levels.push(level);
    }
  }

  get root(): number {
    return this.#levels.at(-1)?.ids[0] ?? 0;
  }

  /** The page behind its last. */
  get end(): number {
    return this.#levels.at(-1)?.ids.at(-1) ?? 0;
  }

  *pages(): Generator<Uint8Array> {
    for (const [height, { starts, ids }] of this.#levels.entries()) {
      for (let page = 0; page + 1 < ids.length; page++) {
        const items: Item[] = [];
        const end = starts[page + 1] ?? 0;
        for (let i = starts[page] ?? 0; i < end; i++) items.push(this.#item(height, i));
        const id = ids[page] ?? 0;
        const flags = height === 0 ? pageFlag.leaf : pageFlag.branch;
        yield pageBytes({ id, span: (ids[page + 1] ?? 0) - id, flags, items });
      }
    }
  }

  #item(height: number, index: number): Item {
    if (height > 0) {
      return { key: this.#firstKey(height - 1, index), child: this.#levels[height - 1]?.ids[index] ?? 0 };
    }
    return { key: this.#pairs.key(index), value: this.#pairs.value(index), bucket: this.#buckets };
  }

  #firstKey(height: number, page: number): Uint8Array {
    let first = page;
    for (let below = height; below >= 0; below--) first = this.#levels[below]?.starts[first] ?? 0;
    return this.#pairs.size === 0 ? new Uint8Array(0) : this.#pairs.key(first);
  }
}

/** As many items a page as fit, at least one; never no page. */
function packed(size: number, lengthOf: (item: number) => number, firstPage: number): Level {
  const starts = [0];
  const ids = [firstPage];
  let bytes = headerBytes;
  const close = (end: number) => {
    starts.push(end);
    ids.push((ids.at(-1) ?? 0) + Math.ceil(bytes / boltPageBytes));
    bytes = headerBytes;
  };
  for (let item = 0; item < size; item++) {
    const itemBytes = elementBytes + lengthOf(item);
    if (bytes > headerBytes && bytes + itemBytes > boltPageBytes) close(item);
    bytes += itemBytes;
  }
  close(size);
  return { starts, ids };
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

function pageBytes(
  { id, span, flags, items }: { id: number; span: number; flags: number; items: readonly Item[] },
): Uint8Array {
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
