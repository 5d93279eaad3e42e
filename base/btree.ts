/** Keys a node may hold before it splits. 64 strings: two cache lines of pointers a level, three levels for 200k keys. */
const maxKeys = 64;
/** Below this a node borrows or merges; well under half, so that a key set and removed again does not thrash. */
const minKeys = 16;

interface Leaf<V> {
  readonly leaf: true;
  readonly keys: string[];
  readonly values: V[];
}

/** `children[i]` holds the keys < `keys[i]`; `children[i + 1]` those >= it. */
interface Branch<V> {
  readonly leaf: false;
  readonly keys: string[];
  readonly children: Node<V>[];
}

type Node<V> = Leaf<V> | Branch<V>;

interface Split<V> {
  readonly separator: string;
  readonly right: Node<V>;
}

/**
 * An ordered map over strings (a B+ tree): get, set and delete O(log n), ranges in key order. The order is JavaScript's
 * `<`, which for latin1 texts (one character a byte) is byte order. Do not change the tree from inside a visit.
 */
export class BTree<V> {
  #root: Node<V> = { leaf: true, keys: [], values: [] };
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: string): V | undefined {
    let node = this.#root;
    while (!node.leaf) node = node.children[upperBound(node.keys, key)] as Node<V>;
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? node.values[at] : undefined;
  }

  set(key: string, value: V): void {
    const split = this.#insert(this.#root, key, value);
    if (split !== null) {
      this.#root = { leaf: false, keys: [split.separator], children: [this.#root, split.right] };
    }
  }

  /** Whether the key was there. */
  delete(key: string): boolean {
    const removed = this.#remove(this.#root, key);
    if (!this.#root.leaf && this.#root.keys.length === 0) this.#root = this.#root.children[0] as Node<V>;
    return removed;
  }

  clear(): void {
    this.#root = { leaf: true, keys: [], values: [] };
    this.#size = 0;
  }

  /**
   * Visits the pairs with `from` <= key < `to` in ascending order; stops when `visit` returns false.
   * @param to null: no upper bound
   */
  forRange(from: string, to: string | null, visit: (value: V, key: string) => boolean | void): void {
    walk(this.#root, from, to, visit);
  }

  /** Throws unless the tree is well formed. For tests. */
  check(): void {
    let depth = -1;
    let count = 0;
    const visit = (node: Node<V>, level: number, low: string | null, high: string | null): void => {
      node.keys.forEach((key, i) => {
        const before = i === 0 ? low : (node.keys[i - 1] as string);
        // A separator may equal the lower bound of its own subtree only in a leaf.
        if (before !== null && (i === 0 ? key < before : key <= before)) throw new Error("keys out of order");
        if (high !== null && key >= high) throw new Error("key beyond its separator");
      });
      if (node.keys.length > maxKeys) throw new Error("node too full");
      if (node.leaf) {
        if (depth === -1) depth = level;
        if (depth !== level || node.keys.length !== node.values.length) throw new Error("ragged leaves");
        count += node.keys.length;
        return;
      }
      if (node.children.length !== node.keys.length + 1) throw new Error("branch without its children");
      node.children.forEach((child, i) => visit(child, level + 1, node.keys[i - 1] ?? low, node.keys[i] ?? high));
    };
    visit(this.#root, 0, null, null);
    if (count !== this.#size) throw new Error("size differs from the keys held");
  }

  #insert(node: Node<V>, key: string, value: V): Split<V> | null {
    if (node.leaf) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] === key) {
        node.values[at] = value;
        return null;
      }
      const appended = at === node.keys.length;
      node.keys.splice(at, 0, key);
      node.values.splice(at, 0, value);
      this.#size++;
      if (node.keys.length <= maxKeys) return null;
      // Ascending loads (a restore) would leave half-empty leaves behind if they were always cut in the middle.
      const cut = appended ? maxKeys : maxKeys >> 1;
      const right: Leaf<V> = { leaf: true, keys: node.keys.splice(cut), values: node.values.splice(cut) };
      return { separator: right.keys[0] as string, right };
    }
    const at = upperBound(node.keys, key);
    const split = this.#insert(node.children[at] as Node<V>, key, value);
    if (split === null) return null;
    node.keys.splice(at, 0, split.separator);
    node.children.splice(at + 1, 0, split.right);
    if (node.keys.length <= maxKeys) return null;
    const cut = maxKeys >> 1;
    const keys = node.keys.splice(cut);
    const separator = keys.shift() as string;
    return { separator, right: { leaf: false, keys, children: node.children.splice(cut + 1) } };
  }

  #remove(node: Node<V>, key: string): boolean {
    if (node.leaf) {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] !== key) return false;
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      this.#size--;
      return true;
    }
    const at = upperBound(node.keys, key);
    const child = node.children[at] as Node<V>;
    if (!this.#remove(child, key)) return false;
    if (child.keys.length < minKeys) rebalance(node, at === 0 ? 0 : at - 1);
    return true;
  }
}

/** Evens out `children[left]` and `children[left + 1]`: one node when both fit in one, else half of the keys each. */
function rebalance<V>(parent: Branch<V>, left: number): void {
  const a = parent.children[left] as Node<V>;
  const b = parent.children[left + 1] as Node<V>;
  const separator = parent.keys[left] as string;
  if (a.leaf && b.leaf) {
    a.keys.push(...b.keys);
    a.values.push(...b.values);
    b.keys.length = 0;
    b.values.length = 0;
    if (a.keys.length <= maxKeys) return drop(parent, left);
    const half = a.keys.length >> 1;
    b.keys.push(...a.keys.splice(half));
    b.values.push(...a.values.splice(half));
    parent.keys[left] = b.keys[0] as string;
  } else if (!a.leaf && !b.leaf) {
    a.keys.push(separator, ...b.keys);
    a.children.push(...b.children);
    b.keys.length = 0;
    b.children.length = 0;
    if (a.keys.length <= maxKeys) return drop(parent, left);
    const half = a.keys.length >> 1;
    b.keys.push(...a.keys.splice(half));
    b.children.push(...a.children.splice(half + 1));
    parent.keys[left] = b.keys.shift() as string;
  }
}

function drop<V>(parent: Branch<V>, left: number): void {
  parent.keys.splice(left, 1);
  parent.children.splice(left + 1, 1);
}

function walk<V>(
  node: Node<V>,
  from: string,
  to: string | null,
  visit: (value: V, key: string) => boolean | void,
): boolean {
  if (node.leaf) {
    for (let i = lowerBound(node.keys, from); i < node.keys.length; i++) {
      const key = node.keys[i] as string;
      if (to !== null && key >= to) return false;
      if (visit(node.values[i] as V, key) === false) return false;
    }
    return true;
  }
  for (let i = upperBound(node.keys, from); i < node.children.length; i++) {
    if (i > 0 && to !== null && (node.keys[i - 1] as string) >= to) return false;
    if (!walk(node.children[i] as Node<V>, from, to, visit)) return false;
  }
  return true;
}

/** Index of the first key >= `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Index of the first key > `key`. */
function upperBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) <= key) low = middle + 1;
    else high = middle;
  }
  return low;
}
