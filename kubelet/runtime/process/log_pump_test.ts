import assert from "node:assert/strict";
import { fromUtf8 } from "../../../base/bytes.ts";
import { createDenoPlatform } from "../../../platform/deno/mod.ts";
import { parseLogLine } from "../../core/cri_log.ts";
import { maxLogFileBytes, maxRawOutputBytes } from "../../limits.ts";
import { LogPump } from "./log_pump.ts";

const { timers, ...rest } = createDenoPlatform({ component: "test", logLevel: "error" });
/** The pump looks only when the test says so: the test writes files in pieces and is not paused meanwhile. */
const platform = { ...rest, timers: { ...timers, schedule: () => ({ cancel() {} }) } };

function pumpOf(directory: string, calls: string[] = [], interactive = false): LogPump {
  return new LogPump({ directory, interactive }, {
    pause: async () => void calls.push("pause"),
    resume: async () => void calls.push("resume"),
  }, platform);
}

async function withDirectory(body: (directory: string) => Promise<void>): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "sauropod-log-" });
  try {
    await body(directory);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

async function textOf(pump: LogPump): Promise<string> {
  let text = "";
  let chunk = await pump.read(null);
  for (; chunk.bytes.length > 0; chunk = await pump.read(chunk.cursor)) {
    for (const line of fromUtf8(chunk.bytes).split(/(?<=\n)/)) {
      const parsed = parseLogLine(new TextEncoder().encode(line));
      if (parsed !== null) text += fromUtf8(parsed.text);
    }
  }
  return text;
}

Deno.test("LogPump holds an unfinished line back until it ends, unless somebody may be waiting for it", () =>
  withDirectory(async (directory) => {
    const pump = pumpOf(directory);
    await pump.open();
    await Deno.writeTextFile(`${directory}/stdout`, "whole\nhalf");
    await pump.flush();
    assert.equal(await textOf(pump), "whole\n");
    await Deno.writeTextFile(`${directory}/stdout`, " done\n", { append: true });
    await pump.flush();
    assert.equal(await textOf(pump), "whole\nhalf done\n");
    await pump.finish();
    const eager = pumpOf(directory, [], true);
    await eager.open();
    await Deno.writeTextFile(`${directory}/stdout`, "prompt> ", { append: true });
    await eager.flush();
    assert.equal(await textOf(eager), "whole\nhalf done\nprompt> ");
    await eager.stop();
  }));

Deno.test("LogPump goes on where an earlier one stopped, without a line lost or doubled", () =>
  withDirectory(async (directory) => {
    let expected = "";
    for (let life = 0; life < 5; life++) {
      const pump = pumpOf(directory);
      await pump.open();
      for (let i = 0; i < 3; i++) {
        const line = `life ${life} line ${i}\n`;
        expected += line;
        await Deno.writeTextFile(`${directory}/stdout`, line, { append: true });
        if (i < 2) await pump.flush();
      }
      assert.ok(expected.startsWith(await textOf(pump)));
      await pump.stop();
    }
    const last = pumpOf(directory);
    await last.open();
    await last.finish();
    assert.equal(await textOf(last), expected);
  }));

Deno.test("LogPump empties a large output file while the container holds still, and begins a new log file", () =>
  withDirectory(async (directory) => {
    const calls: string[] = [];
    const pump = pumpOf(directory, calls);
    await pump.open();
    const line = `${"x".repeat(999)}\n`;
    await Deno.writeTextFile(`${directory}/stdout`, line.repeat(Math.ceil(maxRawOutputBytes / line.length) + 1));
    const cursor = (await pump.read(null)).cursor;
    await pump.flush();
    assert.deepEqual(calls, ["pause", "resume"]);
    assert.equal((await Deno.stat(`${directory}/stdout`)).size, 0);
    await Deno.writeTextFile(`${directory}/stdout`, line.repeat(4000), { append: true });
    await pump.flush();
    assert.ok((await Deno.stat(`${directory}/log.0`)).size <= maxLogFileBytes);
    // A reader that had begun before goes through the old file into the new one.
    let lines = 0;
    let chunk = await pump.read(cursor);
    for (; chunk.bytes.length > 0; chunk = await pump.read(chunk.cursor)) {
      lines += fromUtf8(chunk.bytes).split("\n").length - 1;
    }
    assert.equal(lines, Math.ceil(maxRawOutputBytes / line.length) + 1 + 4000);
    await pump.stop();
  }));
