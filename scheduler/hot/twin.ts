import {
  bitCpu,
  bitEphemeral,
  bitMemory,
  bitPods,
  codePorts,
  extraPorts,
  nodeColumns,
  resultWords,
  type ScoreEngine,
  type ScoreRequest,
} from "../../asm/mod.ts";
import { leastRequested } from "../plugins/node_resources_fit.ts";

/** The calls that the WASM engine answers and the twin too. */
export type Kernel = Pick<ScoreEngine, "filter" | "score" | "pick">;

/** Bits 12 to 27 of `extra`. */
const extraResources = 0x0ffff000;

/**
 * asm/assembly/score.ts in TypeScript, over the same columns, writing to the same places: what its results are compared
 * with bit by bit, and its speed. Where WASM takes four nodes at a time, this takes one.
 */
export function twinKernel(engine: ScoreEngine): Kernel {
  const column = (index: number): Float64Array => engine.columns[index] ?? new Float64Array(0);
  const allocCpu = column(nodeColumns.allocCpu);
  const allocMemory = column(nodeColumns.allocMemory);
  const allocEphemeral = column(nodeColumns.allocEphemeral);
  const allocPods = column(nodeColumns.allocPods);
  const usedCpu = column(nodeColumns.usedCpu);
  const usedMemory = column(nodeColumns.usedMemory);
  const usedEphemeral = column(nodeColumns.usedEphemeral);
  const usedPods = column(nodeColumns.usedPods);
  const nonZeroCpu = column(nodeColumns.nonZeroCpu);
  const nonZeroMemory = column(nodeColumns.nonZeroMemory);
  const balance = column(nodeColumns.balance);
  const { reasons, scores, extra, result } = engine;

  // Every index below `count` is inside every column; `as number` says so where the compiler cannot.
  function fit(i: number, request: ScoreRequest): number {
    let bits = (usedPods[i] as number) + 1 > (allocPods[i] as number) ? bitPods : 0;
    if (!request.any) return bits;
    if (request.cpu > 0 && request.cpu > (allocCpu[i] as number) - (usedCpu[i] as number)) bits |= bitCpu;
    if (request.memory > 0 && request.memory > (allocMemory[i] as number) - (usedMemory[i] as number)) {
      bits |= bitMemory;
    }
    if (request.ephemeral > 0 && request.ephemeral > (allocEphemeral[i] as number) - (usedEphemeral[i] as number)) {
      bits |= bitEphemeral;
    }
    return bits;
  }

  function least(i: number, request: ScoreRequest): number {
    const cpu = allocCpu[i] as number;
    const memory = allocMemory[i] as number;
    const sum = (cpu === 0 ? 0 : leastRequested((nonZeroCpu[i] as number) + request.nonZeroCpu, cpu)) +
      (memory === 0 ? 0 : leastRequested((nonZeroMemory[i] as number) + request.nonZeroMemory, memory));
    return cpu !== 0 && memory !== 0 ? sum >> 1 : sum;
  }

  function balanced(i: number, request: ScoreRequest): number {
    const cpu = allocCpu[i] as number;
    const memory = allocMemory[i] as number;
    let after = 100;
    if (cpu !== 0 && memory !== 0) {
      const cpuShare = Math.min(((usedCpu[i] as number) + request.cpu) / cpu, 1);
      const memoryShare = Math.min(((usedMemory[i] as number) + request.memory) / memory, 1);
      after = Math.trunc((1 - Math.abs((cpuShare - memoryShare) / 2)) * 100);
    }
    return 50 + Math.trunc((50 + after - (balance[i] as number)) / 2);
  }

  return {
    filter(count, slot, useExtra, request) {
      const { code, taints, affinity } = engine.slot(slot);
      let feasible = 0;
      let maxTaints = 0;
      let maxAffinity = 0;
      for (let i = 0; i < count; i++) {
        let reason = code[i] as number;
        if (reason === 0) {
          const more = useExtra ? extra[i] as number : 0;
          reason = (more & extraPorts) !== 0 ? codePorts : fit(i, request) | (more & extraResources);
        }
        reasons[i] = reason;
        if (reason !== 0) continue;
        feasible++;
        maxTaints = Math.max(maxTaints, taints[i] as number);
        maxAffinity = Math.max(maxAffinity, affinity[i] as number);
      }
      result[resultWords.feasible] = feasible;
      result[resultWords.maxTaints] = maxTaints;
      result[resultWords.maxAffinity] = maxAffinity;
    },
    score(count, slot, request) {
      const { taints, affinity } = engine.slot(slot);
      const maxTaints = result[resultWords.maxTaints] as number;
      const maxAffinity = result[resultWords.maxAffinity] as number;
      const useBalance = request.cpu !== 0 || request.memory !== 0;
      let best = -1;
      let ties = 0;
      for (let i = 0; i < count; i++) {
        if (reasons[i] !== 0) {
          scores[i] = -1;
          continue;
        }
        let total = least(i, request) + 300;
        if (useBalance) total += balanced(i, request);
        if (maxTaints !== 0) total -= 3 * Math.floor(100 * (taints[i] as number) / maxTaints);
        if (maxAffinity !== 0) total += 2 * Math.floor(100 * (affinity[i] as number) / maxAffinity);
        scores[i] = total;
        if (total > best) {
          best = total;
          ties = 1;
        } else if (total === best) {
          ties++;
        }
      }
      result[resultWords.best] = best;
      result[resultWords.ties] = ties;
    },
    pick(count, best, tie) {
      let left = tie;
      for (let i = 0; i < count; i++) {
        if (scores[i] === best && left-- === 0) return i;
      }
      return -1;
    },
  };
}
