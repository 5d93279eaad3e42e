import { prng } from "../base/prng.ts";
import { nodes as nodesInfo, pods as podsInfo } from "../api/resources.ts";
import type { Node, Pod } from "../api/gen/types.ts";
import {
  createEventRecorder,
  createInformer,
  type EventRecorder,
  type Informer,
  isConflict,
  isNotFound,
  type LeaderElection,
  type RestClient,
  runLeaderElection,
} from "../client/mod.ts";
import type { Clock, Component, Log, Metrics, Random, Timer, Timers } from "../platform/mod.ts";
import { decide, type Decision } from "./core/cycle.ts";
import { DecisionLog, type DecisionRecord } from "./core/decision.ts";
import type { PodInfo } from "./core/node_info.ts";
import { type QueuedPod, SchedulingQueue } from "./core/queue.ts";
import { ClusterView } from "./core/view.ts";
import { Binder } from "./bind.ts";
import { hotEvaluator } from "./hot/evaluator.ts";
import * as limits from "./limits.ts";
import { type SchedulerMetrics, schedulerMetrics, type SchedulerState } from "./metrics.ts";
import { createReporter, type Reporter } from "./report.ts";
import { slimNode, slimPod } from "./slim.ts";

export interface SchedulerConfig {
  /** Unique among the scheduler's candidates. */
  readonly identity: string;
  /** Only pods with this `spec.schedulerName` are seen. */
  readonly schedulerName: string;
  /** For the choice among equally good nodes: same seed, same events, same placements. */
  readonly seed: number;
  readonly timers: {
    readonly leaseDurationMs: number;
    readonly renewDeadlineMs: number;
    readonly retryPeriodMs: number;
  };
  /** Told of every pod that got its node. */
  readonly onScheduled?: (timing: SchedulingTiming) => void;
}

/** Where the time of one successful attempt went, milliseconds. */
export interface SchedulingTiming {
  /** From entering the active queue to being taken out of it. */
  readonly queuedMs: number;
  readonly decisionMs: number;
  /** From the decision to the API server's answer to the Binding. */
  readonly bindMs: number;
}

export interface SchedulerDeps {
  readonly client: RestClient;
  /** For the Lease alone, so that a renewal never waits behind binds; `client` when left out. */
  readonly electionClient?: RestClient;
  /** For Events, so that binds never wait behind them; `client` when left out. */
  readonly eventClient?: RestClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: Log;
  readonly metrics: Metrics;
}

export interface Scheduler extends Component {
  readonly isLeader: boolean;
  /** The last decisions, newest first. @param pod `namespace/name` or uid */
  decisions(pod?: string): readonly DecisionRecord[];
  /** Waiting pods, in order of name, bounded by `limits.maxListedPods`. */
  queue(): readonly QueuedPod[];
}

/**
 * Starts a candidate: its informers run from the beginning, so that a standby that becomes leader can decide at once.
 * `ready` when it knows all nodes and pods, whether it leads or not.
 */
export function startScheduler(config: SchedulerConfig, deps: SchedulerDeps): Scheduler {
  return new Shell(config, deps);
}

class Shell implements Scheduler {
  readonly ready: Promise<void>;
  readonly #config: SchedulerConfig;
  readonly #deps: SchedulerDeps;
  readonly #metrics: SchedulerMetrics;
  readonly #queue: SchedulingQueue;
  readonly #view: ClusterView;
  readonly #nodes: Informer<Node>;
  readonly #pods: Informer<Pod>;
  readonly #election: LeaderElection;
  readonly #recorder: EventRecorder;
  readonly #reporter: Reporter;
  readonly #binder: Binder;
  readonly #decisions = new DecisionLog(limits.maxDecisions);
  readonly #evaluator;
  readonly #random;
  readonly #stop = new AbortController();
  #cycles = 0;
  #leading = false;
  /** Since it leads, it has seen all that was written before. */
  #current = false;
  #kicked = false;
  #wake: Timer | null = null;
  #markStopped: () => void = () => {};

  constructor(config: SchedulerConfig, deps: SchedulerDeps) {
    this.#config = config;
    this.#deps = deps;
    this.#random = prng(config.seed);
    this.#queue = new SchedulingQueue(limits, this.#now());
    this.#view = new ClusterView(this.#queue, config.schedulerName, {
      unreadable: (kind, name, message) => deps.log.error(`Cannot read a ${kind}`, { name, message }),
    });
    this.#metrics = schedulerMetrics(deps.metrics, config.schedulerName, () => this.#state());
    this.#evaluator = hotEvaluator("wasm", {
      now: () => this.#now(),
      filtered: (tookMs) => this.#metrics.filtered(tookMs / 1000),
      scored: (tookMs) => this.#metrics.scored(tookMs / 1000),
    });
    const { eventClient = deps.client } = deps;
    this.#recorder = createEventRecorder({ component: config.schedulerName }, { ...deps, client: eventClient });
    this.#reporter = createReporter({ ...deps, recorder: this.#recorder, stop: this.#stop.signal });
    this.#binder = new Binder({ ...deps, stop: this.#stop.signal });
    this.#nodes = createInformer<Node>(deps.client, nodesInfo, {
      transform: slimNode,
      gatherMs: limits.standbyGatherMs,
    }, deps);
    this.#pods = createInformer<Pod>(
      deps.client,
      podsInfo,
      { transform: slimPod, gatherMs: limits.standbyGatherMs },
      deps,
    );
    this.#subscribe();
    this.#nodes.start();
    this.#pods.start();
    this.#election = this.#runElection();
    const stopped = new Promise<void>((resolve) => this.#markStopped = resolve);
    this.ready = Promise.race([stopped, Promise.all([this.#nodes.synced, this.#pods.synced]).then(() => this.#kick())]);
  }

  get isLeader(): boolean {
    return this.#leading;
  }

  decisions(pod?: string): readonly DecisionRecord[] {
    return this.#decisions.list(pod);
  }

  queue(): readonly QueuedPod[] {
    return this.#queue.list(limits.maxListedPods);
  }

  async stop(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#leading = false;
    this.#current = false;
    this.#stop.abort();
    this.#markStopped();
    this.#wake?.cancel();
    await this.#binder.idle();
    await this.#reporter.idle();
    await this.#election.stop();
    this.#recorder.stop();
    this.#nodes.stop();
    this.#pods.stop();
  }

  #now(): number {
    return this.#deps.clock.monotonic();
  }

  #subscribe(): void {
    const then = (change: () => void) => {
      change();
      this.#kick();
    };
    this.#nodes.subscribe({
      added: (node) => then(() => this.#view.setNode(undefined, node, this.#now())),
      updated: (old, node) => then(() => this.#view.setNode(old, node, this.#now())),
      deleted: (node) => then(() => this.#view.removeNode(node.metadata?.name ?? "")),
    });
    this.#pods.subscribe({
      added: (pod) => then(() => this.#view.setPod(undefined, pod, this.#now())),
      updated: (old, pod) => then(() => this.#view.setPod(old, pod, this.#now())),
      deleted: (pod) => then(() => this.#view.removePod(pod, this.#now())),
    });
  }

  #runElection(): LeaderElection {
    const { identity, schedulerName, timers } = this.#config;
    const { electionClient = this.#deps.client } = this.#deps;
    return runLeaderElection({
      namespace: "kube-system",
      // A second scheduler beside the default one leads on its own.
      name: schedulerName === "default-scheduler" ? "kube-scheduler" : schedulerName,
      identity,
      ...timers,
      onStartedLeading: (leadership) => {
        this.#leading = !this.#stop.signal.aborted;
        void this.#catchUp(leadership);
      },
      onStoppedLeading: () => {
        // Binds under way run to their end: each is conditional on the pod's uid and on its having no node.
        this.#leading = false;
        this.#current = false;
        for (const informer of [this.#nodes, this.#pods]) informer.pace(limits.standbyGatherMs);
      },
    }, { ...this.#deps, client: electionClient });
  }

  /** What the last leader bound may still be under way to a standby, and that room must not be given away twice. */
  async #catchUp(leadership: AbortSignal): Promise<void> {
    const informers = [this.#nodes, this.#pods];
    for (const informer of informers) informer.pace(0);
    try {
      await Promise.all(informers.map((informer) => informer.caughtUp()));
    } catch (error) {
      // The API server holds a bind to nothing but the pod: as good as a scheduler that is alone and late.
      this.#deps.log.warn("Cannot learn whether all pods are known", { error: String(error) });
    }
    if (leadership.aborted || !this.#leading) return;
    this.#current = true;
    this.#kick();
  }

  /** Runs once the current turn is over, so that the changes of one turn are looked at together. */
  #kick(): void {
    if (this.#kicked) return;
    this.#kicked = true;
    Promise.resolve().then(() => this.#run());
  }

  #run(): void {
    this.#kicked = false;
    if (this.#stop.signal.aborted) return;
    if (this.#current && this.#nodes.hasSynced && this.#pods.hasSynced) {
      const sliceEnd = this.#now() + limits.sliceMs;
      while (this.#binder.size < limits.maxConcurrentBinds) {
        const queued = this.#queue.pop(this.#now());
        if (queued === undefined) break;
        this.#schedule(queued);
        if (this.#now() >= sliceEnd) return this.#later(0);
      }
    }
    const next = this.#queue.nextFlushAt();
    if (next !== null && this.#current) this.#later(Math.max(0, next - this.#now()));
  }

  /** Kicks after `delayMs`, instead of whatever was planned. */
  #later(delayMs: number): void {
    this.#wake?.cancel();
    this.#wake = this.#deps.timers.schedule(delayMs, () => this.#kick());
  }

  #schedule(queued: QueuedPod): void {
    const { info } = queued;
    const startedAt = this.#now();
    const { snapshot } = this.#view;
    const version = snapshot.version;
    const decision = decide(snapshot, info, { evaluator: this.#evaluator, random: this.#random }, {
      explain: limits.maxDecisionNodes,
    });
    const decidedAt = this.#now();
    this.#metrics.algorithm((decidedAt - startedAt) / 1000);
    this.#record(queued, decision, version);
    if (decision.ok) {
      snapshot.assume(info, decision.node);
      this.#bind(queued, decision.node, { startedAt, decidedAt });
      return;
    }
    this.#queue.unschedulable(info.uid, decision.plugins, this.#now());
    this.#metrics.attempt("unschedulable", (this.#now() - startedAt) / 1000);
    this.#deps.log.debug("Unable to schedule a pod", { pod: info.key, message: decision.message });
    this.#reporter.failed(info, "Unschedulable", decision.message);
  }

  #record({ info, attempts }: QueuedPod, decision: Decision, snapshotVersion: number): void {
    this.#decisions.add({
      cycle: ++this.#cycles,
      pod: info.key,
      uid: info.uid,
      at: this.#deps.clock.now(),
      attempt: attempts,
      snapshotVersion,
      seed: this.#config.seed,
      tie: decision.ok ? decision.tie : null,
      ties: decision.ok ? decision.ties : 0,
      evaluated: decision.evaluated,
      feasible: decision.feasible,
      node: decision.ok ? decision.node : null,
      message: decision.ok ? `score ${decision.score} on ${decision.node}` : decision.message,
      nodes: decision.nodes,
    });
  }

  /** Binds beside the loop; the assumption stands meanwhile. */
  #bind(queued: QueuedPod, nodeName: string, { startedAt, decidedAt }: { startedAt: number; decidedAt: number }): void {
    // The entry may change or go while the bind runs.
    const { info, attempts, firstTriedAt } = queued;
    const timing = { queuedMs: startedAt - queued.timestamp, decisionMs: decidedAt - startedAt };
    this.#binder.start(info, nodeName, (error) => {
      const now = this.#now();
      const seconds = (now - startedAt) / 1000;
      this.#metrics.bound(error === null, (now - decidedAt) / 1000);
      if (error === null) {
        this.#queue.delete(info.uid);
        this.#metrics.attempt("scheduled", seconds);
        this.#metrics.scheduled(attempts, (now - (firstTriedAt ?? startedAt)) / 1000);
        this.#reporter.scheduled(info, nodeName);
        this.#config.onScheduled?.({ ...timing, bindMs: now - decidedAt });
      } else {
        this.#bindFailed(info, nodeName, error, seconds);
      }
      this.#kick();
    });
  }

  #bindFailed(info: PodInfo, nodeName: string, error: Error, seconds: number): void {
    this.#view.forget(info, this.#now());
    // Gives the pod back unless the informer has taken it out meanwhile.
    this.#queue.failed(info.uid, this.#now());
    if (this.#stop.signal.aborted) return;
    this.#metrics.attempt("error", seconds);
    this.#deps.log.warn("Cannot bind a pod", { pod: info.key, node: nodeName, error: error.message });
    // Gone, or bound by someone else: nothing that its owner should hear of.
    if (isNotFound(error) || isConflict(error)) return;
    const message = `binding rejected: running Bind plugin "DefaultBinder": ${error.message}`;
    this.#reporter.failed(info, "SchedulerError", message);
  }

  #state(): SchedulerState {
    const { snapshot } = this.#view;
    return {
      pending: this.#queue.counts(),
      incoming: this.#queue.incoming(),
      cache: { nodes: snapshot.nodes.length, pods: snapshot.podCount, assumed: snapshot.assumedCount },
    };
  }
}
