import assert from "node:assert/strict";
import { isTimeZone, parseSchedule } from "./cron.ts";
import { formatZonedTime } from "./time.ts";

const ms = (text: string) => Date.parse(text);

function nexts(schedule: string, after: string, count: number, zone?: string): string[] {
  const parsed = parseSchedule(schedule, zone);
  assert.ok(parsed.ok, schedule);
  const found: string[] = [];
  for (let at: number | undefined = ms(after); found.length < count && at !== undefined;) {
    at = parsed.schedule.next(at);
    if (at !== undefined) found.push(new Date(at).toISOString().slice(0, 16));
  }
  return found;
}

Deno.test("parseSchedule() goes on with lists, ranges, steps and names", () => {
  const cases: readonly [schedule: string, after: string, next: string][] = [
    ["* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:01"],
    ["* * * * *", "2026-01-01T00:00:59Z", "2026-01-01T00:01"],
    ["*/15 * * * *", "2026-01-01T00:46:00Z", "2026-01-01T01:00"],
    ["20-35/15 * * * *", "2026-01-01T00:21:00Z", "2026-01-01T00:35"],
    ["7/20 * * * *", "2026-01-01T00:28:00Z", "2026-01-01T00:47"],
    ["0 0 1 feb *", "2026-01-31T00:00:00Z", "2026-02-01T00:00"],
    ["30 4 * * MON-fri", "2026-01-03T00:00:00Z", "2026-01-05T04:30"],
    ["0 0 29 2 *", "2026-01-01T00:00:00Z", "2028-02-29T00:00"],
    ["0 0 13 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00"],
    ["0 0 */2 * 5", "2026-01-01T00:00:00Z", "2026-01-02T00:00"],
    ["0 0 ? * 0", "2026-01-01T00:00:00Z", "2026-01-04T00:00"],
    ["@hourly", "2026-01-01T00:10:00Z", "2026-01-01T01:00"],
    ["@weekly", "2026-01-01T00:10:00Z", "2026-01-04T00:00"],
    ["@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00"],
    ["@every 1h30m", "2026-01-01T00:00:00Z", "2026-01-01T01:30"],
  ];
  for (const [schedule, after, next] of cases) assert.deepEqual(nexts(schedule, after, 1), [next], schedule);
});

Deno.test("parseSchedule() refuses what robfig/cron refuses; a day that never comes has no next", () => {
  const bad = [
    "",
    "* * * *",
    "* * * * * *",
    "60 * * * *",
    "* * 0 * *",
    "* * * * 7",
    "5-2 * * * *",
    "*/0 * * * *",
    "@never",
    "@every",
    "@every 5",
    "* * * foo *",
    ", * * * *",
  ];
  for (const text of bad) assert.ok(!parseSchedule(text).ok, text);
  assert.deepEqual(nexts("0 0 30 2 *", "2026-01-01T00:00:00Z", 1), []);
});

Deno.test("parseSchedule() goes by the wall clock of the time zone: none in a skipped hour, two in a repeated one", () => {
  const zone = "America/New_York";
  assert.deepEqual(nexts("0 9 * * *", "2026-01-01T00:00:00Z", 1, zone), ["2026-01-01T14:00"]);
  assert.deepEqual(nexts("30 2 * * *", "2026-03-07T12:00:00Z", 1, zone), ["2026-03-09T06:30"]);
  assert.deepEqual(nexts("30 1 * * *", "2026-11-01T04:00:00Z", 2, zone), ["2026-11-01T05:30", "2026-11-01T06:30"]);
  assert.deepEqual(nexts("0 0 1 4 *", "2026-01-30T00:00:00Z", 1, "Asia/Kolkata"), ["2026-03-31T18:30"]);
});

Deno.test("parseSchedule() agrees with a search minute by minute, across a change of the clock", () => {
  type Clock = Readonly<Record<"month" | "day" | "hour" | "minute", number>> & { readonly weekday: string };
  const cases: readonly [schedule: string, matches: (clock: Clock) => boolean][] = [
    ["13 */7 * * *", ({ hour, minute }) => minute === 13 && hour % 7 === 0],
    ["5,55 3 28-31 * 1", (it) => it.minute % 50 === 5 && it.hour === 3 && (it.day >= 28 || it.weekday === "Mon")],
    ["0 2 * 3,4 0", (it) => it.minute === 0 && it.hour === 2 && it.weekday === "Sun" && [3, 4].includes(it.month)],
  ];
  for (const [timeZone, begin] of [["Europe/Berlin", "2026-03-22"], ["Australia/Lord_Howe", "2026-03-29"]] as const) {
    const format = new Intl.DateTimeFormat("en-US", {
      timeZone,
      hourCycle: "h23",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      weekday: "short",
    });
    for (const [text, matches] of cases) {
      const from = ms(`${begin}T00:00:00Z`);
      const found: string[] = [];
      for (let at = from + 60_000; at <= from + 9 * 86_400_000; at += 60_000) {
        const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, value] as const));
        const part = (type: Intl.DateTimeFormatPartTypes) => Number(parts.get(type));
        const clock = { month: part("month"), day: part("day"), hour: part("hour"), minute: part("minute") };
        const isMatch = matches({ ...clock, weekday: parts.get("weekday") ?? "" });
        if (isMatch) found.push(new Date(at).toISOString().slice(0, 16));
      }
      assert.ok(found.length > 0);
      assert.deepEqual(nexts(text, `${begin}T00:00:00Z`, found.length, timeZone), found, `${text} in ${timeZone}`);
    }
  }
});

Deno.test("isTimeZone() and formatZonedTime()", () => {
  assert.deepEqual(["Europe/Paris", "UTC", "Mars/Base", "+02:00", ""].map(isTimeZone), [
    true,
    true,
    false,
    false,
    false,
  ]);
  assert.equal(formatZonedTime(0, "UTC"), "1970-01-01T00:00:00Z");
  assert.equal(formatZonedTime(ms("2026-07-01T12:00:00Z"), "Europe/Paris"), "2026-07-01T14:00:00+02:00");
  assert.equal(formatZonedTime(ms("2026-07-01T12:00:00Z"), "America/St_Johns"), "2026-07-01T09:30:00-02:30");
});
