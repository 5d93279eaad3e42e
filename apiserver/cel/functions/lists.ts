import type { Functions } from "../functions.ts";
import { CelError, compare, equals, isList, isMap, Uint, type Value } from "../values.ts";
import { intAt, listAt, noOverload } from "./arguments.ts";

function size(value: Value | undefined): bigint {
  if (typeof value === "string") return BigInt([...value].length);
  if (isMap(value)) return BigInt(value.size);
  if (isList(value) || value instanceof Uint8Array) return BigInt(value.length);
  return noOverload();
}

function sum(list: readonly Value[]): Value {
  let total: bigint | number = 0n;
  for (const item of list) {
    if (typeof item === "bigint") total = typeof total === "bigint" ? total + item : total + Number(item);
    else if (typeof item === "number") total = Number(total) + item;
    else if (item instanceof Uint) total = typeof total === "bigint" ? total + item.value : total + Number(item.value);
    else noOverload();
  }
  return total;
}

function extreme(list: readonly Value[], sign: number, name: string): Value {
  const [first] = list;
  if (first === undefined) throw new CelError(`${name} called on empty list`);
  return list.reduce((best, item) => compare(item, best) * sign > 0 ? item : best, first);
}

function sorted(list: readonly Value[]): Value[] {
  return [...list].sort(compare);
}

function distinct(list: readonly Value[]): Value[] {
  const kept: Value[] = [];
  for (const item of list) if (!kept.some((other) => equals(other, item))) kept.push(item);
  return kept;
}

function flatten(list: readonly Value[], depth: number): Value[] {
  return list.flatMap((item) => isList(item) ? depth > 1 ? flatten(item, depth - 1) : [...item] : [item]);
}

function containsAll(list: readonly Value[], wanted: readonly Value[]): boolean {
  return wanted.every((item) => list.some((other) => equals(other, item)));
}

function numbers(args: readonly Value[]): readonly Value[] {
  return args.length === 1 && isList(args[0]) ? args[0] : args;
}

/** Work that grows with the product of two lists is paid for in full. */
function square(args: readonly Value[]): number {
  return listAt(args, 0).length * listAt(args, args.length - 1).length;
}

/** Lists, maps and sets: cel-go's extensions and Kubernetes's. */
export const lists: Functions = {
  "size": (args) => size(args[0]),
  "_.size": (args) => size(args[0]),
  "_.sum": (args) => sum(listAt(args, 0)),
  "_.min": (args) => extreme(listAt(args, 0), -1, "min"),
  "_.max": (args) => extreme(listAt(args, 0), 1, "max"),
  "_.isSorted": (args) => listAt(args, 0).every((item, i, all) => i === 0 || compare(all[i - 1] ?? null, item) <= 0),
  "_.sort": (args) => sorted(listAt(args, 0)),
  "_.reverse": (args) => typeof args[0] === "string" ? [...args[0]].reverse().join("") : [...listAt(args, 0)].reverse(),
  "_.distinct": (args, budget) => {
    budget.spend(square(args));
    return distinct(listAt(args, 0));
  },
  "_.slice": (args) => {
    const list = listAt(args, 0);
    const [from, to] = [intAt(args, 1), intAt(args, 2)];
    if (from < 0 || to < from || to > list.length) {
      throw new CelError(`cannot slice(${from}, ${to}), list is length ${list.length}`);
    }
    return list.slice(from, to);
  },
  "_.flatten": (args) => flatten(listAt(args, 0), args.length > 1 ? Math.min(intAt(args, 1), 32) : 1),
  "sets.contains": (args, budget) => {
    budget.spend(square(args));
    return containsAll(listAt(args, 0), listAt(args, 1));
  },
  "sets.equivalent": (args, budget) => {
    budget.spend(square(args));
    return containsAll(listAt(args, 0), listAt(args, 1)) && containsAll(listAt(args, 1), listAt(args, 0));
  },
  "sets.intersects": (args, budget) => {
    budget.spend(square(args));
    return listAt(args, 0).some((item) => listAt(args, 1).some((other) => equals(item, other)));
  },
  "math.greatest": (args) => extreme(numbers(args), 1, "math.greatest"),
  "math.least": (args) => extreme(numbers(args), -1, "math.least"),
};
