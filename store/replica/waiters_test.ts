import assert from "node:assert/strict";
import { ProposalWaiters } from "./waiters.ts";
import type { StoreError } from "../types.ts";

function waiter(term: number) {
  const outcomes: string[] = [];
  return {
    outcomes,
    proposal: {
      term,
      deadlineTick: 100,
      resolve: (value: number) => void outcomes.push(`resolved ${value}`),
      reject: (error: StoreError) => void outcomes.push(error.code),
    },
  };
}

Deno.test("ProposalWaiters resolves a proposal by (index, term), and refuses one whose index another entry took", () => {
  const waiters = new ProposalWaiters<number>();
  const [mine, replaced] = [waiter(2), waiter(2)];
  waiters.add(7, mine.proposal);
  waiters.add(8, replaced.proposal);
  waiters.applied(7, 2, { value: 42 });
  waiters.applied(8, 3, { value: 43 });
  assert.deepEqual(mine.outcomes, ["resolved 42"]);
  assert.deepEqual(replaced.outcomes, ["NoLeader"], "applied in another term: it never took effect, safe to retry");
  assert.equal(waiters.size, 0);
});

Deno.test("ProposalWaiters.add() cannot tell what becomes of a proposal whose entry was only cut from this log", () => {
  const waiters = new ProposalWaiters<number>();
  const [cut, next] = [waiter(2), waiter(4)];
  waiters.add(7, cut.proposal);
  waiters.add(7, next.proposal);
  assert.deepEqual(cut.outcomes, ["Unavailable"], "two of five members may still commit it");
  assert.deepEqual(next.outcomes, []);
});
