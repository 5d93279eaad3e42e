import type { KubeObject } from "../api/meta.ts";
import { leases } from "../api/resources.ts";
import { formatMicroTime } from "../api/time.ts";
import type { Clock, Component, Gauge, Log, Metrics, Random, Timer, Timers } from "../platform/mod.ts";
import { isAlreadyExists, isConflict, isNotFound } from "./errors.ts";
import { createInformer } from "./informer.ts";
import { atLeast } from "./resource_version.ts";
import type { Informer, RestClient } from "./types.ts";

/** coordination.k8s.io/v1 Lease, as far as elections need it. */
export interface LeaseObject extends KubeObject {
  spec?: {
    holderIdentity?: string;
    leaseDurationSeconds?: number;
    acquireTime?: string;
    renewTime?: string;
    leaseTransitions?: number;
  };
}

export interface LeaderElectionConfig {
  readonly namespace: string;
  readonly name: string;
  /** Unique among the candidates. */
  readonly identity: string;
  /** How long others wait for a silent leader. */
  readonly leaseDurationMs: number;
  /** The leader gives up when it could not renew for this long; less than `leaseDurationMs`. */
  readonly renewDeadlineMs: number;
  /** Between two renewals (a quarter of it after one that failed), and between two tries of a candidate that is not told by its watch; less than `renewDeadlineMs`. */
  readonly retryPeriodMs: number;
  /** Called each time this candidate becomes leader; `leadership` aborts when it no longer is. */
  readonly onStartedLeading: (leadership: AbortSignal) => void;
  readonly onStoppedLeading?: () => void;
  /** A leader, this one or another, was observed. */
  readonly onNewLeader?: (identity: string) => void;
}

export interface LeaderElectionDeps {
  readonly client: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Pick<Random, "next" | "int">;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface LeaderElection extends Component {
  readonly isLeader: boolean;
  /** "" while none is known. */
  readonly leader: string;
}

/**
 * Runs for leader with a Lease until stopped; a candidate that lost runs again. As client-go's election: whoever holds
 * the Lease renews it; others take it once they have *seen it unchanged* for its duration, by their own monotonic clock
 * (the times inside it are for people). Besides, candidates watch the Lease: a released one (holder "") is taken at
 * once, an expired one when it expires rather than at the next poll. Not a fence: a paused leader may write for up to
 * `leaseDurationMs - renewDeadlineMs` less its pause, so every write of a leader carries a precondition.
 * `stop` releases the Lease when held.
 */
export function runLeaderElection(config: LeaderElectionConfig, deps: LeaderElectionDeps): LeaderElection {
  return new Election(config, deps);
}

/**
 * Releases the Lease on behalf of a holder that is known to be dead (its supervisor saw the process end), so that the
 * others need not wait for its expiry. Does nothing when someone else holds it. False when it was not this holder's.
 */
export async function releaseLease(
  client: RestClient,
  lock: { readonly namespace: string; readonly name: string; readonly holder: string },
  clock: Clock,
): Promise<boolean> {
  try {
    const lease = await client.get<LeaseObject>(leases, lock.name, lock.namespace);
    if (lease.spec?.holderIdentity !== lock.holder) return false;
    await client.update(leases, released(lease, clock.now()));
    return true;
  } catch (error) {
    if (isConflict(error) || isNotFound(error)) return false;
    throw error;
  }
}

class Election implements LeaderElection {
  readonly ready: Promise<void> = Promise.resolve();
  readonly #config: LeaderElectionConfig;
  readonly #deps: LeaderElectionDeps;
  readonly #informer: Informer<LeaseObject>;
  readonly #stop = new AbortController();
  readonly #done: Promise<void>;
  /** The last Lease seen, by whatever way, and when it was first seen in that state (monotonic). */
  #observed: LeaseObject | null = null;
  #observedAt = 0;
  #announced = "";
  readonly #status: Pick<Gauge, "set">;
  #leadership: AbortController | null = null;
  /** Ends the candidate's wait. */
  #wake: () => void = () => {};

  constructor(config: LeaderElectionConfig, deps: LeaderElectionDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#status = deps.metrics.gauge("leader_election_master_status", "1 while this one holds the Lease, by its name.")
      .with({ name: config.name });
    this.#status.set(0);
    this.#informer = createInformer<LeaseObject>(
      deps.client,
      leases,
      { namespace: config.namespace, fieldSelector: `metadata.name=${config.name}` },
      deps,
    );
    this.#informer.subscribe({
      added: (lease) => this.#saw(lease),
      updated: (_old, lease) => this.#saw(lease),
      deleted: () => this.#forgot(),
    });
    this.#informer.start();
    this.#done = this.#run();
  }

  get isLeader(): boolean {
    return this.#leadership !== null;
  }

  get leader(): string {
    return this.#announced;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    this.#wake();
    await this.#done;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    try {
      while (!signal.aborted) {
        if (!await this.#acquire()) return;
        await this.#lead();
      }
    } finally {
      this.#informer.stop();
    }
  }

  /** Waits until the Lease is ours; false when stopped. */
  async #acquire(): Promise<boolean> {
    const { retryPeriodMs } = this.#config;
    while (!this.#stop.signal.aborted) {
      const heldForMs = this.#heldByOtherForMs();
      if (heldForMs <= 0) {
        if (await this.#try()) return true;
        // Lost a race, or no answer: apart from the others, who try at the same moment.
        if (this.#heldByOtherForMs() <= 0) await this.#sleep(retryPeriodMs * (0.25 + 0.75 * this.#deps.random.next()));
        continue;
      }
      // With a live watch this ends by an event or by the expiry; polling would only ask what the watch tells anyway.
      await this.#sleep(heldForMs + this.#deps.random.next() * Math.min(20, retryPeriodMs / 4));
    }
    return false;
  }

  async #lead(): Promise<void> {
    const { clock, log } = this.#deps;
    const { renewDeadlineMs, retryPeriodMs, identity, name } = this.#config;
    const leadership = new AbortController();
    this.#leadership = leadership;
    this.#status.set(1);
    log.info("became leader", { lease: name, identity });
    this.#config.onStartedLeading(leadership.signal);
    let renewedAt = clock.monotonic();
    let failed = false;
    while (!this.#stop.signal.aborted) {
      // Sleeping is cut short by stop alone: watch events about our own renewals must not make us renew at once.
      await this.#sleep(failed ? retryPeriodMs / 4 : retryPeriodMs, true);
      if (this.#stop.signal.aborted) break;
      const startedAt = clock.monotonic();
      const left = renewedAt + renewDeadlineMs - startedAt;
      if (left <= 0 || this.#heldByOtherForMs() > 0) break;
      failed = !(await within(this.#deps.timers, this.#try(), left) ?? false);
      if (!failed) renewedAt = startedAt;
      else if (clock.monotonic() - renewedAt >= renewDeadlineMs) break;
    }
    this.#leadership = null;
    this.#status.set(0);
    leadership.abort();
    log.info("stopped leading", { lease: name, identity });
    this.#config.onStoppedLeading?.();
    if (this.#stop.signal.aborted) await within(this.#deps.timers, this.#release(), renewDeadlineMs);
  }

  /** One try to acquire or renew; true when the Lease is ours afterwards. Never rejects. */
  async #try(): Promise<boolean> {
    const { client, clock, log } = this.#deps;
    const { namespace, name, identity } = this.#config;
    try {
      // What the watch or the last write told is used first; a conflict says when it was stale.
      const known = this.#observed ?? await this.#read();
      if (this.#heldByOtherForMs() > 0) return false;
      if (known === null) {
        const fresh = { metadata: { name, namespace }, spec: this.#spec(null, clock.now()) };
        this.#saw(await client.create<LeaseObject>(leases, fresh));
        return true;
      }
      this.#saw(await client.update<LeaseObject>(leases, { ...known, spec: this.#spec(known, clock.now()) }));
      return this.#observed?.spec?.holderIdentity === identity;
    } catch (error) {
      log.debug("lease not taken", { lease: name, error: String(error) });
      // Conflict, already there, or an outcome unknown: look again before the next try.
      if (isConflict(error) || isAlreadyExists(error) || isNotFound(error)) await this.#read().catch(() => null);
      return false;
    }
  }

  async #read(): Promise<LeaseObject | null> {
    const { namespace, name } = this.#config;
    try {
      const lease = await this.#deps.client.get<LeaseObject>(leases, name, namespace);
      this.#saw(lease);
      return lease;
    } catch (error) {
      if (!isNotFound(error)) throw error;
      this.#observed = null;
      return null;
    }
  }

  async #release(): Promise<void> {
    const lease = this.#observed;
    if (lease === null || lease.spec?.holderIdentity !== this.#config.identity) return;
    try {
      await this.#deps.client.update(leases, released(lease, this.#deps.clock.now()));
    } catch (error) {
      this.#deps.log.debug("lease not released; it will expire", { error: String(error) });
    }
  }

  /** Milliseconds that another's claim still has to run; 0 when the Lease is free, expired, ours or not known. */
  #heldByOtherForMs(): number {
    const spec = this.#observed?.spec;
    const holder = spec?.holderIdentity ?? "";
    if (holder === "" || holder === this.#config.identity) return 0;
    // The figure in the Lease has whole seconds; ours may be finer, and all candidates are configured alike.
    const durationMs = Math.max(this.#config.leaseDurationMs, ((spec?.leaseDurationSeconds ?? 0) - 1) * 1000);
    return Math.max(0, this.#observedAt + durationMs - this.#deps.clock.monotonic());
  }

  #saw(lease: LeaseObject): void {
    const before = this.#observed;
    if (before?.metadata?.resourceVersion === lease.metadata?.resourceVersion && before !== null) return;
    // A late watch event must not bring back what a newer answer replaced.
    if (before !== null && isOlder(lease, before)) return;
    this.#observed = lease;
    this.#observedAt = this.#deps.clock.monotonic();
    const holder = lease.spec?.holderIdentity ?? "";
    if (holder !== "" && holder !== this.#announced) this.#config.onNewLeader?.(holder);
    if (holder !== "") this.#announced = holder;
    // A renewal by the leader only moves the expiry; the waiting candidate looks again when its sleep ends.
    if (holder === "" || holder !== before?.spec?.holderIdentity) this.#wake();
  }

  #forgot(): void {
    this.#observed = null;
    this.#wake();
  }

  #spec(known: LeaseObject | null, now: number): NonNullable<LeaseObject["spec"]> {
    const { identity, leaseDurationMs } = this.#config;
    const mine = known?.spec?.holderIdentity === identity;
    const transitions = known?.spec?.leaseTransitions ?? 0;
    return {
      holderIdentity: identity,
      leaseDurationSeconds: Math.max(1, Math.ceil(leaseDurationMs / 1000)),
      acquireTime: mine && known?.spec?.acquireTime !== undefined ? known.spec.acquireTime : formatMicroTime(now),
      renewTime: formatMicroTime(now),
      leaseTransitions: known === null || mine ? transitions : transitions + 1,
    };
  }

  /** Sleeps for `delayMs`, or until woken. @param deaf woken by stop alone */
  async #sleep(delayMs: number, deaf = false): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer: Timer = this.#deps.timers.schedule(delayMs, resolve);
    this.#wake = () => {
      if (!deaf || this.#stop.signal.aborted) resolve();
    };
    if (this.#stop.signal.aborted) resolve();
    await promise;
    timer.cancel();
    this.#wake = () => {};
  }
}

/** As client-go releases: no holder, one second left, so that even a candidate that goes by the figures takes it soon. */
function released(lease: LeaseObject, now: number): LeaseObject {
  return {
    ...lease,
    spec: {
      ...lease.spec,
      holderIdentity: "",
      leaseDurationSeconds: 1,
      acquireTime: formatMicroTime(now),
      renewTime: formatMicroTime(now),
    },
  };
}

function isOlder(a: LeaseObject, b: LeaseObject): boolean {
  const x = a.metadata?.resourceVersion ?? "";
  const y = b.metadata?.resourceVersion ?? "";
  return a.metadata?.uid === b.metadata?.uid && !atLeast(x, y);
}

/** The outcome of `work`, or undefined when it takes longer than `limitMs`. */
async function within<T>(timers: Timers, work: Promise<T>, limitMs: number): Promise<T | undefined> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const timer = timers.schedule(limitMs, () => resolve(undefined));
  try {
    return await Promise.race([work, promise]);
  } finally {
    timer.cancel();
  }
}
