/**
 * The memory layout that asm/assembly/layout.ts also states; layout_test.ts keeps the two alike.
 * Node columns are float64, one value a node. A slot holds, for one pod signature, three int32 columns: the static
 * plugins' code (0 passes), the count of PreferNoSchedule taints not tolerated, the summed weights of preferred node
 * affinity terms.
 */
export const nodeColumns = {
  allocCpu: 0,
  allocMemory: 1,
  allocEphemeral: 2,
  allocPods: 3,
  usedCpu: 4,
  usedMemory: 5,
  usedEphemeral: 6,
  usedPods: 7,
  nonZeroCpu: 8,
  nonZeroMemory: 9,
  balance: 10,
} as const;
export const nodeColumnCount = 11;

export const slotColumns = { code: 0, taints: 1, affinity: 2 } as const;
export const slotColumnCount = 3;

/** Codes in the low byte of a reason and of a slot's code column. 6 is set by the filter, from the `extra` column. */
export const codePorts = 6;
/** Bits of NodeResourcesFit in a reason. */
export const bitPods = 1 << 8;
export const bitCpu = 1 << 9;
export const bitMemory = 1 << 10;
export const bitEphemeral = 1 << 11;
/** The `extra` column: a host port is taken; extended resource i (0 to 15) is short at bit 12 + i. */
export const extraPorts = 1;
export const extraResourceShift = 12;
export const extraResourceCount = 16;
/** Marks an index that holds no node. */
export const codeAbsent = 255;

/** int32 words of the result block. */
export const resultWords = { feasible: 0, maxTaints: 1, maxAffinity: 2, best: 3, ties: 4 } as const;
export const resultWordCount = 8;
