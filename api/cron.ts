/**
 * Cron schedules, as robfig/cron v3 reads them: five fields with lists, ranges, steps and names, or a descriptor such as
 * `@hourly` or `@every 90s`. Minutes are instants whose wall clock matches: of an hour that is skipped nothing runs, in
 * an hour that is repeated everything runs twice.
 */
import { goDurationMs } from "../base/go_duration.ts";

export interface Schedule {
  /** The first time after `afterMs`; undefined when there is none within five years. Unix milliseconds. */
  next(afterMs: number): number | undefined;
}

export type ParsedSchedule =
  | { readonly ok: true; readonly schedule: Schedule }
  | { readonly ok: false; readonly message: string };

interface Field {
  readonly low: number;
  readonly high: number;
  readonly names: readonly string[];
}

/** Field by field: minute, hour, day of month, month, day of week. */
const fields: readonly Field[] = [
  { low: 0, high: 59, names: [] },
  { low: 0, high: 23, names: [] },
  { low: 1, high: 31, names: [] },
  { low: 1, high: 12, names: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] },
  { low: 0, high: 6, names: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] },
];

const descriptors: Readonly<Record<string, string>> = {
  "@yearly": "0 0 1 1 *",
  "@annually": "0 0 1 1 *",
  "@monthly": "0 0 1 * *",
  "@weekly": "0 0 * * 0",
  "@daily": "0 0 * * *",
  "@midnight": "0 0 * * *",
  "@hourly": "0 * * * *",
};

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;
const horizonMs = 5 * 366 * dayMs;

/** @param timeZone IANA name, which must be known: see {@linkcode isTimeZone} */
export function parseSchedule(text: string, timeZone = "UTC"): ParsedSchedule {
  const trimmed = text.trim();
  if (trimmed.startsWith("@every ")) return parseEvery(trimmed);
  if (trimmed.startsWith("@") && descriptors[trimmed] === undefined) {
    return { ok: false, message: `unrecognized descriptor: ${trimmed}` };
  }
  const parts = (descriptors[trimmed] ?? trimmed).split(/\s+/);
  if (parts.length !== fields.length) {
    return { ok: false, message: `expected exactly 5 fields, found ${parts.length}: [${parts.join(" ")}]` };
  }
  const sets: ValueSet[] = [];
  for (const [index, field] of fields.entries()) {
    const set = parseField(parts[index] ?? "", field);
    if (typeof set === "string") return { ok: false, message: set };
    sets.push(set);
  }
  return { ok: true, schedule: { next: (afterMs) => nextMatch(sets, wallClock(timeZone), afterMs) } };
}

/** Whether `name` is an IANA time zone that this machine knows. */
export function isTimeZone(name: string): boolean {
  // A bare offset is no name of a zone.
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}

function parseEvery(text: string): ParsedSchedule {
  const duration = text.slice("@every ".length);
  if (!/^(\d+(\.\d*)?(ns|us|µs|ms|s|m|h))+$/.test(duration)) {
    return { ok: false, message: `failed to parse duration ${text}: invalid duration "${duration}"` };
  }
  // Whole seconds, at least one.
  const everyMs = Math.max(1_000, Math.floor(goDurationMs(duration) / 1_000) * 1_000);
  return { ok: true, schedule: { next: (afterMs) => Math.floor(afterMs / 1_000) * 1_000 + everyMs } };
}

interface ValueSet {
  readonly values: ReadonlySet<number>;
  /** Written `*` or `?`, not as a selection: it does not restrict the days. */
  readonly isStar: boolean;
}

function parseField(text: string, field: Field): ValueSet | string {
  const values = new Set<number>();
  let isStar = false;
  for (const range of text.split(",").filter((each) => each !== "")) {
    const match = /^(\*|\?|[0-9a-z]+)(?:-([0-9a-z]+))?(?:\/([0-9]+))?$/i.exec(range);
    if (match === null) return `failed to parse int from ${range}: out of range or malformed`;
    const [, from = "", to, stepText] = match;
    const any = from === "*" || from === "?";
    const step = Number(stepText ?? "1");
    const low = any ? field.low : numberOf(from, field);
    // One number with a step begins there and goes on to the end.
    const high = to !== undefined ? numberOf(to, field) : any || stepText !== undefined ? field.high : low;
    const isSound = low >= field.low && high <= field.high && low <= high && step > 0 && !(any && to !== undefined);
    if (!isSound) return `failed to parse int from ${range}: out of range or malformed`;
    for (let value = low; value <= high; value += step) values.add(value);
    isStar ||= any && step === 1;
  }
  return values.size === 0 ? `failed to parse int from ${text}: out of range or malformed` : { values, isStar };
}

/** NaN for what is neither a number nor a name of the field. */
function numberOf(text: string, { names, low }: Field): number {
  const index = names.indexOf(text.toLowerCase());
  if (index >= 0) return index + low;
  return /^\d+$/.test(text) ? Number(text) : NaN;
}

interface Wall {
  readonly minute: number;
  readonly hour: number;
  readonly day: number;
  readonly month: number;
  readonly weekday: number;
}

/** What a clock on the wall shows at an instant. */
function wallClock(timeZone: string): (atMs: number) => Wall {
  const read = (date: Date): Wall => ({
    minute: date.getUTCMinutes(),
    hour: date.getUTCHours(),
    day: date.getUTCDate(),
    month: date.getUTCMonth() + 1,
    weekday: date.getUTCDay(),
  });
  if (timeZone === "UTC") return (atMs) => read(new Date(atMs));
  const format = new Intl.DateTimeFormat("en-US", {
    timeZone,
    calendar: "gregory",
    numberingSystem: "latn",
    hourCycle: "h23",
    year: "numeric",
    month: "numeric",
    day: "numeric",
    hour: "numeric",
    minute: "numeric",
  });
  return (atMs) => {
    const parts = new Map(format.formatToParts(atMs).map(({ type, value }) => [type, Number(value)]));
    const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
    return read(
      new Date(Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"))),
    );
  };
}

function nextMatch(sets: readonly ValueSet[], wall: (atMs: number) => Wall, afterMs: number): number | undefined {
  const [minutes, hours, days, months, weekdays] = sets;
  if (!minutes || !hours || !days || !months || !weekdays) return undefined;
  let at = Math.floor(afterMs / minuteMs) * minuteMs + minuteMs;
  const limit = afterMs + horizonMs;
  while (at <= limit) {
    const now = wall(at);
    const { minute, hour, day, month, weekday } = now;
    const toNextHour = (60 - minute) * minuteMs;
    const byDay = days.values.has(day);
    const byWeekday = weekdays.values.has(weekday);
    const isDay = days.isStar || weekdays.isStar ? byDay && byWeekday : byDay || byWeekday;
    // Leaps stay short of what they leap to, since a clock that is set forward would make them pass it.
    if (!months.values.has(month)) at += day < 25 ? (25 - day) * dayMs : toNextHour;
    else if (!isDay) at += hour < 20 ? (20 - hour) * hourMs - minute * minuteMs : toNextHour;
    else if (!hours.values.has(hour)) at += toNextHour;
    else if (!minutes.values.has(minute)) {
      const later = [...minutes.values].filter((each) => each > minute);
      at += later.length === 0 ? toNextHour : (Math.min(...later) - minute) * minuteMs;
    } else return at;
  }
  return undefined;
}
