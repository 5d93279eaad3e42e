import { CelError, isList, type Value } from "../values.ts";

/** Readers of arguments: what they do not take has no overload. */
export function noOverload(): never {
  throw new CelError("no such overload");
}

export function textAt(args: readonly Value[], index: number): string {
  const value = args[index];
  return typeof value === "string" ? value : noOverload();
}

export function intAt(args: readonly Value[], index: number): number {
  const value = args[index];
  return typeof value === "bigint" ? Number(value) : noOverload();
}

export function listAt(args: readonly Value[], index: number): readonly Value[] {
  const value = args[index];
  return isList(value) ? value : noOverload();
}

/** A list of texts. */
export function textsAt(args: readonly Value[], index: number): string[] {
  return listAt(args, index).map((item) => typeof item === "string" ? item : noOverload());
}

export function instanceAt<T>(args: readonly Value[], index: number, type: new (...parts: never[]) => T): T {
  const value = args[index];
  return value instanceof type ? value : noOverload();
}
