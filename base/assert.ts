/** A broken invariant: a bug of ours, never an outcome of input. The component crashes and is restarted. */
export class BugError extends Error {
  override readonly name = "BugError";
}

/** Throws {@linkcode BugError} unless `condition` holds. On in production, as in the simulator. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new BugError(message);
}

/** Marks a branch that the types rule out; a new union member then fails to compile here. */
export function unreachable(value: never): never {
  throw new BugError(`Unreachable value: ${JSON.stringify(value)}`);
}

/** The value itself, or {@linkcode BugError} when it is undefined or null. For indexes that an invariant makes safe. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new BugError(message);
  return value;
}
