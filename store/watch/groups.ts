import { fromLatin1, prefixEnd, toLatin1 } from "../../base/bytes.ts";
import { contains, type Interval } from "../mvcc/interval.ts";

/** The members that asked for one and the same interval. */
export interface Group<T> {
  readonly interval: Interval;
  readonly members: Set<T>;
}

/**
 * Who wants an event of a key. Single keys are a map lookup; prefixes one lookup for each *length* of prefix in use (a
 * cluster's watches use a few dozen); only intervals that are neither are looked through one by one.
 */
export class Groups<T> {
  readonly #singles = new Map<string, Group<T>>();
  readonly #prefixes = new Map<string, Group<T>>();
  /** How many groups have a prefix of this length. */
  readonly #lengths = new Map<number, number>();
  readonly #others = new Map<string, Group<T>>();

  add(interval: Interval, member: T): void {
    const { map, name, prefix } = this.#place(interval);
    let group = map.get(name);
    if (group === undefined) {
      group = { interval, members: new Set() };
      map.set(name, group);
      if (prefix) this.#lengths.set(name.length, (this.#lengths.get(name.length) ?? 0) + 1);
    }
    group.members.add(member);
  }

  remove(interval: Interval, member: T): void {
    const { map, name, prefix } = this.#place(interval);
    const group = map.get(name);
    if (group === undefined || !group.members.delete(member) || group.members.size > 0) return;
    map.delete(name);
    if (!prefix) return;
    const left = (this.#lengths.get(name.length) ?? 1) - 1;
    if (left === 0) this.#lengths.delete(name.length);
    else this.#lengths.set(name.length, left);
  }

  /** Calls `visit` for every group that `key` is in. */
  match(key: string, visit: (group: Group<T>) => void): void {
    const single = this.#singles.get(key);
    if (single !== undefined) visit(single);
    for (const length of this.#lengths.keys()) {
      if (length > key.length) continue;
      const group = this.#prefixes.get(key.slice(0, length));
      if (group !== undefined) visit(group);
    }
    for (const group of this.#others.values()) if (contains(group.interval, key)) visit(group);
  }

  /** Every member of every group. */
  all(): T[] {
    const members: T[] = [];
    for (const map of [this.#singles, this.#prefixes, this.#others]) {
      for (const group of map.values()) members.push(...group.members);
    }
    return members;
  }

  #place(interval: Interval): { map: Map<string, Group<T>>; name: string; prefix: boolean } {
    if (interval.single) return { map: this.#singles, name: interval.from, prefix: false };
    if (interval.to !== null && toLatin1(prefixEnd(fromLatin1(interval.from))) === interval.to) {
      return { map: this.#prefixes, name: interval.from, prefix: true };
    }
    // The length makes the pair unambiguous whatever bytes are in it.
    return { map: this.#others, name: `${interval.from.length}:${interval.from}${interval.to ?? ""}`, prefix: false };
  }
}
