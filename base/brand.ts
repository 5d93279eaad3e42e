declare const brand: unique symbol;

/** A `T` that only a checked constructor at the boundary makes: `Brand<number, "Term">`. */
export type Brand<T, Name extends string> = T & { readonly [brand]: Name };
