import type { Alarm, AlarmKind } from "../types.ts";

/** The alarms that are on, by member and kind. Replicated: every member refuses the same commands. */
export class Alarms {
  readonly #active = new Map<string, Alarm>();

  has(kind: AlarmKind): boolean {
    for (const alarm of this.#active.values()) if (alarm.kind === kind) return true;
    return false;
  }

  /** By member, then kind. */
  list(): Alarm[] {
    return [...this.#active.keys()].sort().flatMap((name) => this.#active.get(name) ?? []);
  }

  /** @return what changed: the alarm, or nothing when it was on or off already */
  set(alarm: Alarm, on: boolean): Alarm[] {
    const name = `${alarm.memberId}\0${alarm.kind}`;
    if (this.#active.has(name) === on) return [];
    if (on) this.#active.set(name, alarm);
    else this.#active.delete(name);
    return [alarm];
  }

  clear(): void {
    this.#active.clear();
  }
}
