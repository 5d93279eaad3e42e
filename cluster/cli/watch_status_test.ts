import assert from "node:assert/strict";
import { headerLines, type MemberView } from "./watch_status.ts";

function member(index: number, more: Partial<NonNullable<MemberView>> = {}): MemberView {
  return { memberId: `store-${index}`, leaderId: "store-1", term: 3, commitIndex: 40, appliedIndex: 40, ...more };
}

const names = ["store-0", "store-1", "store-2"];

Deno.test("headerLines() says who leads and how far each member is behind what is known to be committed", () => {
  const behind = member(2, { commitIndex: 38, appliedIndex: 37 });
  assert.deepEqual(
    headerLines("demo", { nodes: [3, 3], pods: [2, 4] }, [member(0), member(1), behind], "553 MB", names),
    [
      "demo   nodes 3/3 Ready   pods 2/4 Ready   553 MB",
      "leader store-1   term 3   commit 40   lag store-0 0, store-1 0, store-2 3",
    ],
  );
});

Deno.test("headerLines() believes the latest term, and says what does not answer", () => {
  const stale = member(0, { term: 2, leaderId: "store-0" });
  assert.equal(
    headerLines("demo", null, [stale, null, member(2, { term: 4, leaderId: "" })], "1 MB", names).join("\n"),
    "demo   the API does not answer   1 MB\n" +
      "leader none   term 4   commit 40   lag store-0 0, store-1 does not answer, store-2 0",
  );
});
