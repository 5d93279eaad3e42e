/** Bounds on a single patch, upstream's numbers. */
export const patchLimits = {
  /** Operations in one JSON patch. */
  operationsMax: 10_000,
  /** Values that all `copy` operations of one JSON patch may add, counted as JSON text. */
  copiedBytesMax: 3 * 1024 * 1024,
} as const;
