import assert from "node:assert/strict";
import { CliError } from "./errors.ts";
import { memberOptions, readStoreRequest, type StoreRequest } from "./store_options.ts";

const hourMs = 3_600_000;

Deno.test("readStoreRequest() reads etcd's flags with etcd's meaning", () => {
  const cases: [StoreRequest, ReturnType<typeof readStoreRequest>][] = [
    [{}, {}],
    [{ autoCompactionRetention: "1" }, { compaction: { mode: "periodic", keepMs: hourMs } }],
    [{ autoCompactionRetention: "1h30m" }, { compaction: { mode: "periodic", keepMs: 1.5 * hourMs } }],
    [{ autoCompactionMode: "periodic", autoCompactionRetention: ".5h" }, {
      compaction: { mode: "periodic", keepMs: hourMs / 2 },
    }],
    [{ autoCompactionMode: "revision", autoCompactionRetention: "1000" }, {
      compaction: { mode: "revision", keepRevisions: 1_000 },
    }],
    [{ autoCompactionRetention: "0" }, { compaction: { mode: "off" } }],
    [{ autoCompactionRetention: "0s" }, { compaction: { mode: "off" } }],
    [{ autoCompactionMode: "revision", autoCompactionRetention: "0" }, { compaction: { mode: "off" } }],
    [{ quotaBackendBytes: "8589934592" }, { quotaBytes: 8 * 1024 ** 3 }],
    [{ quotaBackendBytes: "0" }, {}],
    [{ quotaBackendBytes: "-1" }, { quotaBytes: null }],
    [{ corruptCheckTime: "10m" }, { corruptCheckMs: 600_000 }],
    [{ corruptCheckTime: "1.5s" }, { corruptCheckMs: 1_500 }],
    [{ corruptCheckTime: "0" }, { corruptCheckMs: 0 }],
  ];
  for (const [request, options] of cases) assert.deepEqual(readStoreRequest(request), options, JSON.stringify(request));
});

Deno.test("readStoreRequest() refuses what etcd would, and what is no less than a slip, naming the flag", () => {
  const cases: [StoreRequest, RegExp][] = [
    [{ autoCompactionMode: "hourly", autoCompactionRetention: "1" }, /Invalid --auto-compaction-mode "hourly"/],
    [{ autoCompactionMode: "periodic" }, /--auto-compaction-mode needs --auto-compaction-retention/],
    [{ autoCompactionRetention: "soon" }, /Invalid --auto-compaction-retention "soon": must be a duration/],
    [{ autoCompactionRetention: "-1" }, /Invalid --auto-compaction-retention "-1"/],
    [{ autoCompactionRetention: "" }, /Invalid --auto-compaction-retention ""/],
    [{ autoCompactionRetention: "1ms" }, /at least 1s/],
    [{ autoCompactionRetention: "1h30" }, /must be a duration/],
    [{ autoCompactionRetention: "9007199254740991" }, /Invalid --auto-compaction-retention/],
    [{ autoCompactionMode: "revision", autoCompactionRetention: "1h" }, /must be a number of revisions/],
    [{ quotaBackendBytes: "8GB" }, /Invalid --quota-backend-bytes "8GB": must be a whole number of bytes/],
    [{ quotaBackendBytes: "1e9" }, /Invalid --quota-backend-bytes/],
    [{ quotaBackendBytes: "99999999999999999999" }, /Invalid --quota-backend-bytes/],
    [{ corruptCheckTime: "10" }, /Invalid --corrupt-check-time "10": must be a duration/],
    [{ corruptCheckTime: "-5m" }, /Invalid --corrupt-check-time/],
    [{ corruptCheckTime: "1ns" }, /at least 1s/],
  ];
  for (const [request, says] of cases) {
    assert.throws(() => readStoreRequest(request), (error) => error instanceof CliError && says.test(error.message));
  }
});

Deno.test("memberOptions() survives the spec: JSON knows no Infinity", () => {
  const kept = JSON.parse(JSON.stringify(readStoreRequest({ quotaBackendBytes: "-1", corruptCheckTime: "0" })));
  assert.deepEqual(memberOptions(kept), { quotaBytes: Infinity, hashCheckIntervalMs: 0 });
  assert.deepEqual(memberOptions({}), {});
});
