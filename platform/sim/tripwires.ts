/** Thrown by an ambient effect that code under simulation must not use. */
export class TripwireError extends Error {
  override readonly name = "TripwireError";
}

export interface Tripwires extends Disposable {
  /** Puts the originals back. Idempotent. */
  restore(): void;
}

function trip(what: string): never {
  throw new TripwireError(
    `${what} is ambient: the simulated world cannot repeat it; use the platform that was handed in`,
  );
}

function wire(target: object, key: string, replacement: unknown): () => void {
  const original = Object.getOwnPropertyDescriptor(target, key);
  Object.defineProperty(target, key, { value: replacement, configurable: true, writable: true });
  return () => {
    if (original === undefined) Reflect.deleteProperty(target, key);
    else Object.defineProperty(target, key, original);
  };
}

/**
 * `new Date(x)` stays; `new Date()`, `Date()` and `Date.now()` read a clock. No Proxy: `x instanceof Date` is asked for
 * each value that msgpack encodes.
 */
function guardedDate(RealDate: DateConstructor): DateConstructor {
  function Guarded(...args: unknown[]): Date {
    if (new.target === undefined) return trip("Date()");
    if (args.length === 0) return trip("new Date()");
    return Reflect.construct(RealDate, args, new.target === Guarded ? RealDate : new.target) as Date;
  }
  Guarded.prototype = RealDate.prototype;
  return Object.assign(Guarded, {
    now: () => trip("Date.now()"),
    parse: RealDate.parse,
    UTC: RealDate.UTC,
  }) as unknown as DateConstructor;
}

/**
 * Makes ambient time, chance, timers and network throw until restored: `using tripwires = installTripwires()`.
 * Whole-process: one at a time, and nothing real may run beside it.
 */
export function installTripwires(): Tripwires {
  const restores = [
    wire(globalThis, "Date", guardedDate(Date)),
    wire(Math, "random", () => trip("Math.random()")),
    wire(performance, "now", () => trip("performance.now()")),
    wire(crypto, "randomUUID", () => trip("crypto.randomUUID()")),
    wire(crypto, "getRandomValues", () => trip("crypto.getRandomValues()")),
    wire(AbortSignal, "timeout", () => trip("AbortSignal.timeout()")),
    ...["setTimeout", "setInterval", "setImmediate", "fetch"].map((name) =>
      wire(globalThis, name, () => trip(`${name}()`))
    ),
  ];
  function restore(): void {
    for (const undo of restores.splice(0)) undo();
  }
  return { restore, [Symbol.dispose]: restore };
}
