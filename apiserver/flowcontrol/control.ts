import type { FlowSchemaSpec, PriorityLevelConfigurationSpec } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Timers } from "../../platform/mod.ts";
import type { User } from "../authn/user.ts";
import { limits } from "../limits.ts";
import type { RequestInfo } from "../request_info.ts";
import { parseCached } from "../watchcache/cached.ts";
import type { ResourceCache } from "../watchcache/resource_cache.ts";
import { distinguisher, fits, type Flow, inOrder, rulesAbout } from "./classify.ts";
import { defaultLevels, defaultSchemas } from "./defaults.ts";
import { FairQueue, flowHash, type QueueShape } from "./fair_queue.ts";

/** Why a request was turned away. */
export type Rejection = "queue-full" | "concurrency-limit" | "time-out";

/** A priority level while the server runs. */
export interface Level {
  readonly name: string;
  uid: string;
  /** Null: whoever belongs here is served at once. */
  seats: number | null;
  /** Of its seats, how many others may not borrow. */
  kept: number;
  /** Absent: who finds no seat is turned away. */
  queue: FairQueue | null;
  shape: string;
  executing: number;
  dispatched: number;
  readonly rejected: Map<Rejection, number>;
}

export interface Assignment {
  readonly flow: Flow;
  readonly level: Level;
}

interface Candidate {
  readonly assignment: Assignment;
  readonly rules: ReturnType<typeof rulesAbout>;
}

function sameList(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/**
 * Priority and fairness (KEP-1040): every request belongs to a flow of the first FlowSchema that it fits, and is served at
 * that schema's priority level. A level owns a share of the server's seats. Seats that others own and do not use may be
 * taken beyond that, as far as their levels lend them; upstream adjusts such loans every ten seconds, here they are looked
 * at when a seat is wanted. A request takes one seat.
 */
export class FlowControl {
  readonly #schemas: ResourceCache;
  readonly #levels: ResourceCache;
  readonly #timers: Timers;
  readonly #total: number;
  #seen = { schemas: -2, levels: -2, sizes: -1 };
  #flows: readonly Assignment[] = [];
  readonly #users = new Map<
    string,
    { readonly groups: readonly string[]; readonly candidates: readonly Candidate[] }
  >();
  readonly #byName = new Map<string, Level>();
  /** Levels with seats, in a fixed order. */
  #limited: readonly Level[] = [];
  #executing = 0;

  /** @param total seats of this server */
  constructor(
    { schemas, levels, timers, total }: {
      readonly schemas: ResourceCache;
      readonly levels: ResourceCache;
      readonly timers: Timers;
      readonly total: number;
    },
  ) {
    this.#schemas = schemas;
    this.#levels = levels;
    this.#timers = timers;
    this.#total = total;
  }

  get levels(): Iterable<Level> {
    this.#refresh();
    return this.#byName.values();
  }

  /** Where a request belongs. */
  assign(user: User, info: RequestInfo): Assignment {
    this.#refresh();
    for (const each of this.#about(user)) if (fits(each.rules, info)) return each.assignment;
    // The mandatory schemas are always there, and the last of them fits everyone.
    return this.#flows[this.#flows.length - 1] as Assignment;
  }

  /** Takes a seat at once. False: there is none, or others wait for one. */
  tryStart(level: Level): boolean {
    if (level.seats === null) {
      level.executing++;
      level.dispatched++;
      return true;
    }
    if ((level.queue?.waiting ?? 0) > 0 || !this.#hasSeat(level)) return false;
    this.#seat(level);
    return true;
  }

  /** Waits for a seat. Null: it has one. */
  async wait({ flow, level }: Assignment, user: User, info: RequestInfo): Promise<Rejection | null> {
    const { queue } = level;
    if (queue === null) return reject(level, "concurrency-limit");
    const seated = Promise.withResolvers<boolean>();
    const request = queue.add(flowHash(flow.name, distinguisher(flow, user, info)), () => {
      this.#seat(level);
      seated.resolve(true);
    });
    if (request === null) return reject(level, "queue-full");
    const timer = this.#timers.schedule(limits.queueWaitMs, () => {
      queue.giveUp(request);
      seated.resolve(false);
    });
    const started = await seated.promise;
    timer.cancel();
    return started ? null : reject(level, "time-out");
  }

  /** Gives the seat back: to whoever waits at this level, else to one that may borrow it. */
  finish(level: Level): void {
    level.executing--;
    if (level.seats === null) return;
    this.#executing--;
    if (this.#serve(level)) return;
    for (const other of this.#limited) if (other !== level && this.#serve(other)) return;
  }

  /** What concerns this user. Remembered: the same few ask all the time, and most schemas are about somebody else. */
  #about(user: User): readonly Candidate[] {
    const { name, groups } = user;
    const known = this.#users.get(name);
    if (known !== undefined && sameList(known.groups, groups)) return known.candidates;
    const candidates = this.#flows.flatMap((assignment) => {
      const rules = rulesAbout(assignment.flow, user);
      return rules.length === 0 ? [] : [{ assignment, rules }];
    });
    if (this.#users.size >= limits.flowUsers) this.#users.clear();
    this.#users.set(name, { groups, candidates });
    return candidates;
  }

  #serve(level: Level): boolean {
    return level.queue !== null && level.queue.waiting > 0 && this.#hasSeat(level) && level.queue.next();
  }

  #seat(level: Level): void {
    level.executing++;
    level.dispatched++;
    if (level.seats !== null) this.#executing++;
  }

  #hasSeat(level: Level): boolean {
    if (level.executing < (level.seats ?? Infinity)) return true;
    // Borrowed: what others keep for themselves and do not use stays free.
    let reserved = 0;
    for (const other of this.#limited) {
      if (other !== level) reserved += Math.max(0, other.kept - other.executing);
    }
    return this.#executing + reserved < this.#total;
  }

  #refresh(): void {
    const seen = this.#seen;
    const [schemas, levels] = [this.#schemas, this.#levels];
    const sizes = schemas.size + levels.size;
    if (seen.schemas === schemas.changedAt && seen.levels === levels.changedAt && seen.sizes === sizes) return;
    this.#seen = { schemas: schemas.changedAt, levels: levels.changedAt, sizes };
    this.#users.clear();
    this.#setLevels(merged(defaultLevels, levels));
    const fallback = this.#byName.get("catch-all") as Level;
    const flows = merged(defaultSchemas, schemas);
    // A schema whose level is missing counts for nothing (upstream's Dangling).
    this.#flows = inOrder(flows.filter(({ spec }) => this.#byName.has(spec.priorityLevelConfiguration.name)))
      .map((flow) => ({ flow, level: this.#byName.get(flow.spec.priorityLevelConfiguration.name) ?? fallback }));
  }

  #setLevels(all: readonly Configured<PriorityLevelConfigurationSpec>[]): void {
    const sharesOf = ({ spec }: Configured<PriorityLevelConfigurationSpec>) =>
      spec.limited?.nominalConcurrencyShares ?? spec.exempt?.nominalConcurrencyShares ?? 0;
    const sum = all.reduce((total, level) => total + sharesOf(level), 0);
    const names = new Set(all.map(({ name }) => name));
    for (const [name, level] of this.#byName) if (!names.has(name) && level.executing === 0) this.#byName.delete(name);
    for (const configured of all) {
      const { name, uid, spec } = configured;
      const level = this.#byName.get(name) ?? newLevel(name);
      this.#byName.set(name, level);
      level.uid = uid;
      const seats = Math.ceil(this.#total * sharesOf(configured) / Math.max(1, sum));
      level.seats = spec.type === "Exempt" ? null : seats;
      const lent = spec.limited?.lendablePercent ?? 0;
      level.kept = level.seats === null ? 0 : seats - Math.round(seats * lent / 100);
      setQueue(level, spec);
    }
    this.#limited = [...this.#byName.values()].filter(({ seats }) => seats !== null);
  }
}

function newLevel(name: string): Level {
  return {
    name,
    uid: "",
    seats: null,
    kept: 0,
    queue: null,
    shape: "",
    executing: 0,
    dispatched: 0,
    rejected: new Map(),
  };
}

/** A queue of another shape begins empty; those who wait in the old one are served before it is let go. */
function setQueue(level: Level, { limited }: PriorityLevelConfigurationSpec): void {
  const queuing = limited?.limitResponse?.type === "Queue" ? limited.limitResponse.queuing : undefined;
  const shape: QueueShape | null = queuing === undefined ? null : {
    queues: queuing.queues ?? 64,
    handSize: queuing.handSize ?? 8,
    lengthLimit: queuing.queueLengthLimit ?? 50,
  };
  const text = JSON.stringify(shape);
  if (text === level.shape) return;
  // Whoever waits now is let through: a change of configuration is rare, and the queues are bounded.
  while (level.queue?.next() === true);
  level.shape = text;
  level.queue = shape === null ? null : new FairQueue(shape);
}

function reject(level: Level, why: Rejection): Rejection {
  level.rejected.set(why, (level.rejected.get(why) ?? 0) + 1);
  return why;
}

interface Configured<Spec> {
  readonly name: string;
  readonly uid: string;
  readonly spec: Spec;
}

/** What is stored, and of the mandatory defaults (of all, before anything is) what is not stored yet. */
function merged<Spec extends FlowSchemaSpec | PriorityLevelConfigurationSpec>(
  defaults: readonly { readonly name: string; readonly mandatory: boolean; readonly spec: Spec }[],
  cache: ResourceCache,
): Configured<Spec>[] {
  const stored = cache.list("").map((cached): Configured<Spec> => {
    // The schema has been checked when it was written.
    const object = parseCached(cached) as KubeObject & { spec?: Spec };
    return { name: cached.name, uid: object.metadata?.uid ?? "", spec: object.spec ?? {} as Spec };
  });
  const names = new Set(stored.map(({ name }) => name));
  const missing = defaults.filter(({ name, mandatory }) => !names.has(name) && (mandatory || stored.length === 0));
  return [...stored, ...missing.map(({ name, spec }) => ({ name, uid: "", spec }))];
}
