import type { Component, FrameConnection, Listener, Log, Network, Timers } from "../platform/mod.ts";
import { type ComponentStatus, type ControlRequest, decodeRequest, encodeControl } from "./control.ts";
import { createFaultKeeper, encodeTable } from "./faults/keeper.ts";
import { noFaults } from "./faults/table.ts";
import { layout, writeTextAtomic } from "./home.ts";
import type { ComponentPlan } from "./plan.ts";
import { endProcesses, identify, isAlive, type ProcessId } from "./processes.ts";
import { removedExitCode, storeEnvironment } from "./store_environment.ts";

/** Restart delays: at once after a first death, then doubling, so that a component that cannot start costs little. */
const restartFirstMs = 20;
const restartMaxMs = 5_000;
/** A component that ran this long before it died starts over at {@linkcode restartFirstMs}. */
const restartForgetMs = 10_000;
const stopGraceMs = 5_000;
const logCheckMs = 30_000;
/** A component's log is cut back to nothing beyond this; O_APPEND makes that safe while it writes. */
const logBytesMax = 16 * 1024 * 1024;
const connectionsMax = 1_024;
/** Late components are started by then, whatever the others do. */
const lateStartMs = 10_000;

export interface SupervisorConfig {
  readonly dataDirectory: string;
  /** Asked at the start, and again whenever the cluster's spec has changed. */
  readonly plans: () => readonly ComponentPlan[];
  /** The deno to run and its arguments up to the component's name. */
  readonly command: (plan: ComponentPlan) => { program: string; args: readonly string[] };
  /** Told of a store member's process that has ended because its member was removed. It is not started again. */
  readonly onMemberRemoved?: (plan: ComponentPlan) => void;
  /** Told of each process that ended without having been asked to. */
  readonly onEnded?: (plan: ComponentPlan) => void;
}

interface Supervised {
  readonly plan: ComponentPlan;
  process: ProcessId | null;
  ready: boolean;
  role: string;
  detail: string;
  stopping: boolean;
  restarts: number;
  consecutiveFailures: number;
  firstStartedAt: number;
  startedAt: number;
  readyAfterMs: number | null;
}

/**
 * Starts every component, restarts what dies, tells how all stand. It holds no cluster state: killing it leaves the
 * components running, and `cluster start` cleans up after it by `run/state.json`.
 */
export function startSupervisor(
  config: SupervisorConfig,
  deps: { timers: Timers; network: Network; log: Log },
): Component & { readonly stopped: Promise<void>; reload(): Promise<void> } {
  const { timers, network, log } = deps;
  const components = new Map<string, Supervised>();
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | null = null;
  let listener: Listener | null = null;
  let connections = 0;
  let stateWrite: Promise<void> = Promise.resolve();
  let reloads: Promise<void> = Promise.resolve();
  const saveFaults = (table: typeof noFaults) =>
    writeTextAtomic(`${config.dataDirectory}/${layout.faults}`, encodeTable(table));
  const faults = createFaultKeeper({ save: saveFaults }, { timers, encode: encodeControl });

  function launch(component: Supervised): void {
    const { plan } = component;
    const { program, args } = config.command(plan);
    const logPath = `${config.dataDirectory}/${layout.logs}/${plan.name}.log`;
    // The shell only opens the log (O_APPEND) and becomes the component: crash traces survive this supervisor.
    const child = new Deno.Command("sh", {
      args: ["-c", 'log=$1; shift; exec "$@" >>"$log" 2>&1', "sh", logPath, program, ...args],
      cwd: config.dataDirectory,
      env: plan.kind === "store" ? storeEnvironment() : {},
      stdin: "null",
      stdout: "null",
      stderr: "null",
      detached: true,
    }).spawn();
    component.process = identify(child.pid) ?? { pid: child.pid, startTime: "" };
    component.startedAt = performance.now();
    if (component.firstStartedAt === 0) component.firstStartedAt = component.startedAt;
    component.ready = false;
    component.role = "";
    component.detail = "";
    saveState();
    child.status.then((status) => onExit(component, child.pid, status));
  }

  function onExit(component: Supervised, pid: number, status: Deno.CommandStatus): void {
    if (component.process?.pid !== pid) return;
    component.process = null;
    component.ready = false;
    component.role = "";
    component.detail = "";
    saveState();
    if (component.stopping) return;
    if (component.plan.kind === "store" && status.code === removedExitCode) {
      component.stopping = true;
      log.info("a member was removed from the store", { component: component.plan.name });
      return config.onMemberRemoved?.(component.plan);
    }
    const ranMs = performance.now() - component.startedAt;
    component.consecutiveFailures = ranMs > restartForgetMs ? 0 : component.consecutiveFailures + 1;
    component.restarts++;
    config.onEnded?.(component.plan);
    const delayMs = Math.min(restartFirstMs * 2 ** Math.max(0, component.consecutiveFailures - 1), restartMaxMs);
    log.warn("component ended, restarting", {
      component: component.plan.name,
      code: status.code,
      signal: status.signal,
      ranMs: Math.round(ranMs),
      delayMs,
    });
    timers.schedule(delayMs, () => {
      if (!component.stopping) launch(component);
    });
  }

  function saveState(): void {
    const state = {
      supervisor: identify(Deno.pid),
      components: [...components.values()].flatMap((each) =>
        each.process === null ? [] : [{ name: each.plan.name, ...each.process }]
      ),
    };
    // Chained, so that an older state never overwrites a newer one.
    stateWrite = stateWrite.then(() =>
      writeTextAtomic(`${config.dataDirectory}/${layout.state}`, JSON.stringify(state) + "\n")
    ).catch((error) => log.error("cannot save the state", { error: String(error) }));
  }

  function statusOf(component: Supervised): ComponentStatus {
    const { plan, process } = component;
    return {
      name: plan.name,
      kind: plan.kind,
      node: plan.node,
      pid: process?.pid ?? null,
      address: plan.address,
      role: component.role,
      detail: component.detail,
      ready: component.ready,
      state: component.stopping ? "stopped" : process === null ? "waiting" : component.ready ? "ready" : "starting",
      restarts: component.restarts,
      readyAfterMs: component.readyAfterMs,
    };
  }

  function onReport(request: ControlRequest & { op: "report" }): void {
    const component = components.get(request.name);
    if (component === undefined || component.process?.pid !== request.pid) return;
    if (request.ready && component.readyAfterMs === null) {
      component.readyAfterMs = Math.round(performance.now() - component.firstStartedAt);
    }
    component.ready = request.ready;
    if ([...components.values()].every((each) => each.ready || each.plan.late === true)) launchLate();
    component.role = request.role;
    component.detail = request.detail;
  }

  function launchLate(): void {
    for (const component of components.values()) {
      if (component.plan.late === true && component.firstStartedAt === 0 && !component.stopping) launch(component);
    }
  }

  function accept(connection: FrameConnection): void {
    if (++connections > connectionsMax) connection.close();
    connection.onClose = () => connections--;
    connection.onFrame = (frame) => {
      const request = decodeRequest(frame);
      if (request === null) {
        connection.send(encodeControl({ op: "refused", reason: "not a request" }));
      } else if (request.op === "report") {
        onReport(request);
        connection.send(encodeControl({ op: "done" })); // the reporter waits for it, then closes
      } else if (request.op === "listen") {
        faults.subscribe(request.name, connection);
      } else if (request.op === "faults") {
        const told = request.change === null
          ? Promise.resolve({ table: faults.table, silent: [] })
          : faults.change(request.change);
        told.then((result) => connection.send(encodeControl({ op: "faults", ...result })), (error) => {
          connection.send(encodeControl({ op: "refused", reason: String(error) }));
        });
      } else if (request.op === "status") {
        const all = [...components.values()].map(statusOf);
        connection.send(encodeControl({ op: "status", supervisorPid: Deno.pid, components: all }));
      } else if (request.op === "reload") {
        reload().then(() => connection.send(encodeControl({ op: "done" })), (error) => {
          connection.send(encodeControl({ op: "refused", reason: String(error) }));
        });
      } else {
        stopAll().then(() => {
          connection.send(encodeControl({ op: "done" }));
          // The answer leaves before the process does.
          timers.schedule(20, () => listener?.close().then(() => stopped.resolve()));
        });
      }
    };
  }

  /** One after the other: each brings the components to what the spec says then. */
  function reload(): Promise<void> {
    const result = reloads.then(async () => {
      if (stopping !== null) return;
      const plans = config.plans();
      const gone = [...components.values()].filter(({ plan }) => !plans.some(({ name }) => name === plan.name));
      for (const component of gone) {
        component.stopping = true;
        components.delete(component.plan.name);
      }
      for (const plan of plans) if (!components.has(plan.name)) launch(add(plan));
      await endProcesses(gone.flatMap(({ process }) => process ?? []), stopGraceMs);
      saveState();
    });
    reloads = result.catch(() => {});
    return result;
  }

  function stopAll(): Promise<void> {
    stopping ??= (async () => {
      for (const component of components.values()) component.stopping = true;
      // Clients before servers: kubelets and controllers say goodbye while an apiserver still listens.
      const running = [...components.values()].reverse().flatMap((each) => each.process ?? []);
      const isControlPlane = (process: ProcessId) =>
        [...components.values()].some((each) =>
          each.process === process && (each.plan.kind === "store" || each.plan.kind === "apiserver")
        );
      await endProcesses(running.filter((each) => !isControlPlane(each)), stopGraceMs);
      await endProcesses(running.filter(isAlive), stopGraceMs);
      saveState();
      await stateWrite;
    })();
    return stopping;
  }

  function watchLogs(): void {
    for (const { plan } of components.values()) {
      const path = `${config.dataDirectory}/${layout.logs}/${plan.name}.log`;
      try {
        if (Deno.statSync(path).size > logBytesMax) Deno.truncateSync(path);
      } catch {
        // Not written yet.
      }
    }
    if (stopping === null) timers.schedule(logCheckMs, watchLogs);
  }

  function add(plan: ComponentPlan): Supervised {
    const component: Supervised = {
      plan,
      process: null,
      ready: false,
      role: "",
      detail: "",
      stopping: false,
      restarts: 0,
      consecutiveFailures: 0,
      firstStartedAt: 0,
      startedAt: 0,
      readyAfterMs: null,
    };
    components.set(plan.name, component);
    return component;
  }

  async function start(): Promise<void> {
    await saveFaults(noFaults); // whatever an earlier run had broken
    listener = await network.frames.listen(`unix:${layout.control}`, {}, accept);
    for (const plan of config.plans()) {
      const component = add(plan);
      if (plan.late !== true) launch(component);
    }
    timers.schedule(lateStartMs, launchLate);
    timers.schedule(logCheckMs, watchLogs);
  }

  return {
    ready: start(),
    stopped: stopped.promise,
    reload,
    async stop() {
      await stopAll();
      await listener?.close();
      stopped.resolve();
    },
  };
}
