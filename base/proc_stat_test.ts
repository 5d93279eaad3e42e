import { deepEqual } from "node:assert/strict";
import { procStatField } from "./proc_stat.ts";

Deno.test("procStatField() counts from behind the program's name, whatever that is", () => {
  const stat = "42 (a ) b) S 1 42 42 0 -1 4194560 100 0 0 0 7 8 0 0 20 0 1 0 12345 1000 200";
  deepEqual([3, 4, 14, 15, 22, 99].map((number) => procStatField(stat, number)), ["S", "1", "7", "8", "12345", ""]);
});
