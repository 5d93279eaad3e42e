// deno-fmt-ignore-file: the formatter drops the decorators that AssemblyScript needs.
// @ts-nocheck: AssemblyScript, compiled by asm/build.ts; its types (usize, v128, ...) are not TypeScript's.
// Filter and score over columns, four nodes at a time. Every number is a float64 that holds an integer below 2^53, so
// sums, differences and comparisons are exact. A quotient floor(a / b) in float64 is exact for a < 2^53, because a/b
// lies at least 1/b below the next integer and float64 would have to move it by less than a * 2^-53 / b. The one
// product, (capacity - requested) * 100, leaves that range only for capacities above 2^53 / 100 (82 TiB of memory):
// those lanes go through int64. So the scores are those of kube-scheduler's int64 arithmetic, bit for bit.
import {
  ALLOC_CPU,
  ALLOC_EPHEMERAL,
  ALLOC_MEMORY,
  ALLOC_PODS,
  BALANCE,
  BIT_CPU,
  BIT_EPHEMERAL,
  BIT_MEMORY,
  BIT_PODS,
  CODE_PORTS,
  EXTRA_PORTS,
  EXTRA_RESOURCES,
  NONZERO_CPU,
  NONZERO_MEMORY,
  RESULT_BEST,
  RESULT_FEASIBLE,
  RESULT_MAX_AFFINITY,
  RESULT_MAX_TAINTS,
  RESULT_TIES,
  SLOT_AFFINITY,
  SLOT_CODE,
  SLOT_TAINTS,
  USED_CPU,
  USED_EPHEMERAL,
  USED_MEMORY,
  USED_PODS,
} from "./layout.ts";

/** Capacities up to this keep capacity * 100 below 2^53. */
const MAX_EXACT_CAPACITY: f64 = 90071992547409.0;

@inline
function column(base: usize, capacity: usize, index: usize): usize {
  return base + index * capacity * 8;
}

// Lanes 0 and 2 of two int64 masks as one int32 mask of four nodes.
@inline
function narrow(low: v128, high: v128): v128 {
  return v128.shuffle<i32>(low, high, 0, 2, 4, 6);
}

@inline
function short2(alloc: usize, used: usize, want: v128): v128 {
  return f64x2.gt(want, f64x2.sub(v128.load(alloc), v128.load(used)));
}

@inline
function short4(alloc: usize, used: usize, want: v128, bit: v128): v128 {
  return v128.and(narrow(short2(alloc, used, want), short2(alloc + 16, used + 16, want)), bit);
}

@inline
function maxLane(x: v128): i32 {
  return max(
    max(i32x4.extract_lane(x, 0), i32x4.extract_lane(x, 1)),
    max(i32x4.extract_lane(x, 2), i32x4.extract_lane(x, 3)),
  );
}

/**
 * Writes each node's reason and the maxima that normalising needs. Nodes from `count` to the next multiple of four must
 * carry a non-zero slot code.
 * @param extra 0, or the address of the `extra` column
 * @param anyRequest 0 when the pod asks for no resource at all: then only the number of pods is checked
 */
export function filter(
  base: usize,
  capacity: usize,
  count: usize,
  slot: usize,
  extra: usize,
  reasons: usize,
  result: usize,
  cpu: f64,
  memory: f64,
  ephemeral: f64,
  anyRequest: i32,
): void {
  const wantCpu = f64x2.splat(cpu);
  const wantMemory = f64x2.splat(memory);
  const wantEphemeral = f64x2.splat(ephemeral);
  const one = f64x2.splat(1);
  const podsBit = i32x4.splat(BIT_PODS);
  // A resource that is not asked for is never short, even where more is used than allocatable.
  const cpuBit = i32x4.splat(anyRequest != 0 && cpu > 0 ? BIT_CPU : 0);
  const memoryBit = i32x4.splat(anyRequest != 0 && memory > 0 ? BIT_MEMORY : 0);
  const ephemeralBit = i32x4.splat(anyRequest != 0 && ephemeral > 0 ? BIT_EPHEMERAL : 0);
  const zero = i32x4.splat(0);
  const portsBit = i32x4.splat(EXTRA_PORTS);
  const portsCode = i32x4.splat(CODE_PORTS);
  const resourceBits = i32x4.splat(EXTRA_RESOURCES);
  const codes = slot + SLOT_CODE * capacity * 4;
  const taints = slot + SLOT_TAINTS * capacity * 4;
  const affinity = slot + SLOT_AFFINITY * capacity * 4;
  const allocCpu = column(base, capacity, ALLOC_CPU);
  const allocMemory = column(base, capacity, ALLOC_MEMORY);
  const allocEphemeral = column(base, capacity, ALLOC_EPHEMERAL);
  const allocPods = column(base, capacity, ALLOC_PODS);
  const usedCpu = column(base, capacity, USED_CPU);
  const usedMemory = column(base, capacity, USED_MEMORY);
  const usedEphemeral = column(base, capacity, USED_EPHEMERAL);
  const usedPods = column(base, capacity, USED_PODS);
  let feasible = 0;
  let maxTaints = zero;
  let maxAffinity = zero;
  for (let i: usize = 0; i < count; i += 4) {
    const wide = i << 3;
    const slim = i << 2;
    let reason = short4(allocPods + wide, usedPods + wide, one, podsBit);
    reason = v128.or(reason, short4(allocCpu + wide, usedCpu + wide, wantCpu, cpuBit));
    reason = v128.or(reason, short4(allocMemory + wide, usedMemory + wide, wantMemory, memoryBit));
    reason = v128.or(reason, short4(allocEphemeral + wide, usedEphemeral + wide, wantEphemeral, ephemeralBit));
    if (extra != 0) {
      const more = v128.load(extra + slim);
      reason = v128.or(reason, v128.and(more, resourceBits));
      reason = v128.bitselect(portsCode, reason, i32x4.eq(v128.and(more, portsBit), portsBit));
    }
    // The static plugins come before NodePorts and NodeResourcesFit, and a node stops at its first failing plugin.
    const code = v128.load(codes + slim);
    reason = v128.bitselect(reason, code, i32x4.eq(code, zero));
    v128.store(reasons + slim, reason);
    const fits = i32x4.eq(reason, zero);
    feasible += popcnt(i32x4.bitmask(fits));
    maxTaints = i32x4.max_s(maxTaints, v128.and(fits, v128.load(taints + slim)));
    maxAffinity = i32x4.max_s(maxAffinity, v128.and(fits, v128.load(affinity + slim)));
  }
  store<i32>(result + RESULT_FEASIBLE * 4, feasible);
  store<i32>(result + RESULT_MAX_TAINTS * 4, maxLane(maxTaints));
  store<i32>(result + RESULT_MAX_AFFINITY * 4, maxLane(maxAffinity));
}

function leastExact(capacity: f64, requested: f64): f64 {
  if (capacity == 0 || requested > capacity) return 0;
  const wide = <i64> capacity;
  return <f64> (((wide - <i64> requested) * 100) / wide);
}

// (capacity - requested) * 100 / capacity; 0 where requested > capacity. Lanes with capacity 0 are NaN or 0, masked later.
@inline
function least2(capacity: v128, requested: v128): v128 {
  if (v128.any_true(f64x2.gt(capacity, f64x2.splat(MAX_EXACT_CAPACITY)))) {
    return f64x2.replace_lane(
      f64x2.splat(leastExact(f64x2.extract_lane(capacity, 0), f64x2.extract_lane(requested, 0))),
      1,
      leastExact(f64x2.extract_lane(capacity, 1), f64x2.extract_lane(requested, 1)),
    );
  }
  const free = f64x2.mul(f64x2.sub(capacity, requested), f64x2.splat(100));
  const quotient = f64x2.trunc(f64x2.div(free, capacity));
  return v128.and(quotient, f64x2.le(requested, capacity));
}

// NodeResourcesFit (LeastAllocated, cpu and memory of weight 1) + NodeResourcesBalancedAllocation, for two nodes.
@inline
function resources2(
  at: usize,
  allocCpu: usize,
  allocMemory: usize,
  usedCpu: usize,
  usedMemory: usize,
  nonZeroCpu: usize,
  nonZeroMemory: usize,
  balance: usize,
  wantNonZeroCpu: v128,
  wantNonZeroMemory: v128,
  wantCpu: v128,
  wantMemory: v128,
  balanced: i32,
): v128 {
  const capCpu = v128.load(allocCpu + at);
  const capMemory = v128.load(allocMemory + at);
  const hasCpu = f64x2.gt(capCpu, f64x2.splat(0));
  const hasMemory = f64x2.gt(capMemory, f64x2.splat(0));
  const both = v128.and(hasCpu, hasMemory);
  const leastCpu = v128.and(least2(capCpu, f64x2.add(v128.load(nonZeroCpu + at), wantNonZeroCpu)), hasCpu);
  const leastMemory = v128.and(
    least2(capMemory, f64x2.add(v128.load(nonZeroMemory + at), wantNonZeroMemory)),
    hasMemory,
  );
  const sum = f64x2.add(leastCpu, leastMemory);
  // Divided by the weights of the resources that the node has.
  let score = v128.bitselect(f64x2.trunc(f64x2.mul(sum, f64x2.splat(0.5))), sum, both);
  if (balanced != 0) {
    const limit = f64x2.splat(1);
    const fractionCpu = f64x2.min(f64x2.div(f64x2.add(v128.load(usedCpu + at), wantCpu), capCpu), limit);
    const fractionMemory = f64x2.min(f64x2.div(f64x2.add(v128.load(usedMemory + at), wantMemory), capMemory), limit);
    const deviation = v128.and(
      f64x2.abs(f64x2.mul(f64x2.sub(fractionCpu, fractionMemory), f64x2.splat(0.5))),
      both,
    );
    const withPod = f64x2.trunc(f64x2.mul(f64x2.sub(limit, deviation), f64x2.splat(100)));
    const change = f64x2.sub(f64x2.add(withPod, f64x2.splat(50)), v128.load(balance + at));
    score = f64x2.add(score, f64x2.add(f64x2.splat(50), f64x2.trunc(f64x2.mul(change, f64x2.splat(0.5)))));
  }
  return score;
}

// floor(raw * 100 / max) of two int32 in the low half of `raw`, as float64.
@inline
function normalized2(raw: v128, most: v128): v128 {
  return f64x2.trunc(f64x2.div(f64x2.mul(f64x2.convert_low_i32x4_s(raw), f64x2.splat(100)), most));
}

/**
 * Scores the nodes that `filter` found feasible (-1 for the others) and finds the best score and how many have it.
 * Weights: NodeResourcesFit 1, NodeResourcesBalancedAllocation 1, NodeAffinity 2, TaintToleration 3.
 * @param balanced 0 for a pod that requests neither cpu nor memory: BalancedAllocation then stays out
 */
export function score(
  base: usize,
  capacity: usize,
  count: usize,
  slot: usize,
  reasons: usize,
  scores: usize,
  result: usize,
  nonZeroWantCpu: f64,
  nonZeroWantMemory: f64,
  cpu: f64,
  memory: f64,
  balanced: i32,
): void {
  const allocCpu = column(base, capacity, ALLOC_CPU);
  const allocMemory = column(base, capacity, ALLOC_MEMORY);
  const usedCpu = column(base, capacity, USED_CPU);
  const usedMemory = column(base, capacity, USED_MEMORY);
  const nonZeroCpu = column(base, capacity, NONZERO_CPU);
  const nonZeroMemory = column(base, capacity, NONZERO_MEMORY);
  const balance = column(base, capacity, BALANCE);
  const taints = slot + SLOT_TAINTS * capacity * 4;
  const affinity = slot + SLOT_AFFINITY * capacity * 4;
  const wantNonZeroCpu = f64x2.splat(nonZeroWantCpu);
  const wantNonZeroMemory = f64x2.splat(nonZeroWantMemory);
  const wantCpu = f64x2.splat(cpu);
  const wantMemory = f64x2.splat(memory);
  const maxTaints = load<i32>(result + RESULT_MAX_TAINTS * 4);
  const maxAffinity = load<i32>(result + RESULT_MAX_AFFINITY * 4);
  const mostTaints = f64x2.splat(<f64> maxTaints);
  const mostAffinity = f64x2.splat(<f64> maxAffinity);
  const zero = i32x4.splat(0);
  const none = i32x4.splat(-1);
  let best = none;
  for (let i: usize = 0; i < count; i += 4) {
    const wide = i << 3;
    const slim = i << 2;
    const fits = i32x4.eq(v128.load(reasons + slim), zero);
    if (!v128.any_true(fits)) {
      v128.store(scores + slim, none);
      continue;
    }
    let low = resources2(
      wide, allocCpu, allocMemory, usedCpu, usedMemory, nonZeroCpu, nonZeroMemory, balance,
      wantNonZeroCpu, wantNonZeroMemory, wantCpu, wantMemory, balanced,
    );
    let high = resources2(
      wide + 16, allocCpu, allocMemory, usedCpu, usedMemory, nonZeroCpu, nonZeroMemory, balance,
      wantNonZeroCpu, wantNonZeroMemory, wantCpu, wantMemory, balanced,
    );
    // TaintToleration, reversed: 100 - normalized.
    low = f64x2.add(low, f64x2.splat(300));
    high = f64x2.add(high, f64x2.splat(300));
    if (maxTaints != 0) {
      const raw = v128.load(taints + slim);
      const three = f64x2.splat(3);
      low = f64x2.sub(low, f64x2.mul(normalized2(raw, mostTaints), three));
      high = f64x2.sub(high, f64x2.mul(normalized2(v128.shuffle<i32>(raw, raw, 2, 3, 2, 3), mostTaints), three));
    }
    if (maxAffinity != 0) {
      const raw = v128.load(affinity + slim);
      const two = f64x2.splat(2);
      low = f64x2.add(low, f64x2.mul(normalized2(raw, mostAffinity), two));
      high = f64x2.add(high, f64x2.mul(normalized2(v128.shuffle<i32>(raw, raw, 2, 3, 2, 3), mostAffinity), two));
    }
    const total = v128.bitselect(
      v128.shuffle<i32>(i32x4.trunc_sat_f64x2_s_zero(low), i32x4.trunc_sat_f64x2_s_zero(high), 0, 1, 4, 5),
      none,
      fits,
    );
    v128.store(scores + slim, total);
    best = i32x4.max_s(best, total);
  }
  const most = maxLane(best);
  let ties = 0;
  if (most >= 0) {
    const wanted = i32x4.splat(most);
    for (let i: usize = 0; i < count; i += 4) {
      ties += popcnt(i32x4.bitmask(i32x4.eq(v128.load(scores + (i << 2)), wanted)));
    }
  }
  store<i32>(result + RESULT_BEST * 4, most);
  store<i32>(result + RESULT_TIES * 4, ties);
}

/** The index of the `tie`-th node (from 0) whose score is `best`; -1 when there are not so many. */
export function pick(scores: usize, count: usize, best: i32, tie: i32): i32 {
  const wanted = i32x4.splat(best);
  let left = tie;
  for (let i: usize = 0; i < count; i += 4) {
    let mask = i32x4.bitmask(i32x4.eq(v128.load(scores + (i << 2)), wanted));
    const here = popcnt(mask);
    if (left >= here) {
      left -= here;
      continue;
    }
    for (; left > 0; left--) mask &= mask - 1;
    return <i32> i + ctz(mask);
  }
  return -1;
}
