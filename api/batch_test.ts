import assert from "node:assert/strict";
import { utf8 } from "../base/bytes.ts";
import {
  BatchError,
  decodeBatchAnswers,
  decodeBatchRequests,
  encodeBatchAnswers,
  encodeBatchRequests,
  maxBatchRequests,
} from "./batch.ts";

Deno.test("a batch comes back as it was, bodies with line ends and empty ones among them", () => {
  const requests = ["", "{}", 'one\ntwo\n{"length":3}\n', "ü"].map((text, i) => ({
    method: "POST",
    path: `/api/v1/namespaces/n/pods/p${i}/binding?dryRun=All`,
    contentType: "application/json",
    accept: "application/json",
    body: utf8(text),
  }));
  assert.deepEqual(decodeBatchRequests(encodeBatchRequests(requests)), requests);
  const answers = [{ status: 201, contentType: "a/b", retryAfter: "", warnings: ["w"], body: new Uint8Array([10, 0]) }];
  assert.deepEqual(decodeBatchAnswers(encodeBatchAnswers(answers)), answers);
  assert.deepEqual(decodeBatchRequests(new Uint8Array(0)), []);
});

Deno.test("decodeBatchRequests() refuses what breaks the format or the bound", () => {
  const refused = [
    "{}",
    "x\n",
    "[]\n",
    '{"length":-1}\n',
    '{"length":1.5}\n',
    '{"length":4}\nabc',
    `{"method":"GET"}\n`,
    '{"length":0}\n'.repeat(maxBatchRequests + 1),
  ];
  for (const text of refused) assert.throws(() => decodeBatchRequests(utf8(text)), BatchError, text.slice(0, 20));
  assert.throws(() => decodeBatchAnswers(utf8('{"status":99,"length":0}\n')), BatchError);
});
