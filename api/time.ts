/** Times on the wire. All are UTC; milliseconds since 1970 inside. */

/** metav1.Time: `2006-01-02T15:04:05Z`. Fractions of a second are cut off. */
export function formatTime(unixMs: number): string {
  return `${new Date(Math.floor(unixMs / 1000) * 1000).toISOString().slice(0, 19)}Z`;
}

/** RFC 3339 as a clock of that time zone shows it, with the zone's offset. @param timeZone IANA name */
export function formatZonedTime(unixMs: number, timeZone: string): string {
  if (timeZone === "UTC") return formatTime(unixMs);
  const format = new Intl.DateTimeFormat("en-US", { timeZone, timeZoneName: "longOffset" });
  const name = format.formatToParts(unixMs).find(({ type }) => type === "timeZoneName")?.value ?? "";
  const [, sign = "+", hours = "00", minutes = "00"] = /([+-])(\d{2}):(\d{2})$/.exec(name) ?? [];
  const offsetMs = (sign === "-" ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000;
  const wall = formatTime(unixMs + offsetMs);
  return offsetMs === 0 ? wall : `${wall.slice(0, -1)}${sign}${hours}:${minutes}`;
}

/** metav1.MicroTime: six digits. @param micros microseconds beyond `unixMs`, 0-999 */
export function formatMicroTime(unixMs: number, micros = 0): string {
  return `${new Date(Math.floor(unixMs)).toISOString().slice(0, 23)}${String(micros).padStart(3, "0")}Z`;
}

const rfc3339 = /^(\d{4})-(\d{2})-(\d{2})T(\d{2}):(\d{2}):(\d{2})(?:[.,](\d{1,9}))?(Z|[+-]\d{2}:\d{2})$/;

export interface ParsedTime {
  readonly unixMs: number;
  /** Microseconds beyond `unixMs`, 0-999. */
  readonly micros: number;
}

/** Reads RFC 3339 with any offset and up to nine digits of fraction; undefined for anything else. */
export function parseTimeExact(text: string): ParsedTime | undefined {
  const match = rfc3339.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, fraction = "", zone = "Z"] = match;
  const utc = Date.UTC(Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), Number(second));
  const check = new Date(utc);
  // Date.UTC rolls 31 February over and reads years below 100 as 19xx: a field that changed was out of range.
  if (
    check.getUTCFullYear() !== Number(year) || check.getUTCMonth() + 1 !== Number(month) ||
    check.getUTCDate() !== Number(day) || check.getUTCHours() !== Number(hour) ||
    check.getUTCMinutes() !== Number(minute) || check.getUTCSeconds() !== Number(second)
  ) return undefined;
  let offsetMs = 0;
  if (zone !== "Z") {
    const hours = Number(zone.slice(1, 3));
    const minutes = Number(zone.slice(4, 6));
    if (hours > 23 || minutes > 59) return undefined;
    offsetMs = (zone.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
  }
  const digits = fraction.padEnd(6, "0");
  return {
    unixMs: utc - offsetMs + Number(digits.slice(0, 3)),
    micros: Number(digits.slice(3, 6)),
  };
}

/** Milliseconds since 1970, or undefined when `text` is no RFC 3339 time. */
export function parseTime(text: string): number | undefined {
  return parseTimeExact(text)?.unixMs;
}
