// @ts-nocheck: AssemblyScript, compiled by asm/build.ts.
// The memory layout, shared by word with asm/layout.ts (layout_test.ts compares the two). Offsets are in elements.

// float64 columns, one value a node; column c starts at base + c * capacity * 8.
export const ALLOC_CPU: usize = 0;
export const ALLOC_MEMORY: usize = 1;
export const ALLOC_EPHEMERAL: usize = 2;
export const ALLOC_PODS: usize = 3;
export const USED_CPU: usize = 4;
export const USED_MEMORY: usize = 5;
export const USED_EPHEMERAL: usize = 6;
export const USED_PODS: usize = 7;
export const NONZERO_CPU: usize = 8;
export const NONZERO_MEMORY: usize = 9;
export const BALANCE: usize = 10;

// A slot (the answers of the static plugins for one pod signature) is three int32 columns.
export const SLOT_CODE: usize = 0;
export const SLOT_TAINTS: usize = 1;
export const SLOT_AFFINITY: usize = 2;

// Reasons, int32 a node: 0 feasible; a static code in the low byte; else bits of NodeResourcesFit.
export const CODE_PORTS: i32 = 6;
export const BIT_PODS: i32 = 1 << 8;
export const BIT_CPU: i32 = 1 << 9;
export const BIT_MEMORY: i32 = 1 << 10;
export const BIT_EPHEMERAL: i32 = 1 << 11;
// `extra` column, int32 a node: bit 0 a host port is taken, bits 12..27 an extended resource is short.
export const EXTRA_PORTS: i32 = 1;
export const EXTRA_RESOURCES: i32 = 0x0ffff000;

// result block, int32
export const RESULT_FEASIBLE: usize = 0;
export const RESULT_MAX_TAINTS: usize = 1;
export const RESULT_MAX_AFFINITY: usize = 2;
export const RESULT_BEST: usize = 3;
export const RESULT_TIES: usize = 4;
