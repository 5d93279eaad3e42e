import { dig, items, type Json, record, text, texts, whole } from "../dig.ts";
import { type Cell, columns, type Printer, type RowCondition } from "./columns.ts";
import { humanDuration, since } from "./duration.ts";

export const podPrinter: Printer = {
  columns: columns("Name", "Ready", "Status", "Restarts", "Age", "IP*", "Node*", "Nominated Node*", "Readiness Gates*"),
  cells,
  conditions,
};

interface Tally {
  ready: number;
  restarts: number;
  lastRestart: number;
  reason: string;
}

function cells(pod: Json, now: number): Cell[] {
  const spec = record(pod["spec"]);
  const metadata = record(pod["metadata"]);
  const tally = podState(pod);
  const restartable = items(spec["initContainers"]).filter((it) => record(it)["restartPolicy"] === "Always").length;
  const total = items(spec["containers"]).length + restartable;
  const restarts = tally.restarts > 0 && tally.lastRestart > 0
    ? `${tally.restarts} (${humanDuration(now - tally.lastRestart)} ago)`
    : String(tally.restarts);
  return [
    text(metadata["name"]),
    `${tally.ready}/${total}`,
    tally.reason,
    restarts,
    since(metadata["creationTimestamp"], now),
    text(dig(pod, "status", "podIP")) || "<none>",
    text(spec["nodeName"]) || "<none>",
    text(dig(pod, "status", "nominatedNodeName")) || "<none>",
    readinessGates(pod),
  ];
}

/** The STATUS column's word and the counts beside it, in upstream's order of precedence. */
export function podState(pod: Json): Tally {
  const status = record(pod["status"]);
  const phase = text(status["phase"]);
  const tally: Tally = { ready: 0, restarts: 0, lastRestart: 0, reason: text(status["reason"]) || phase };
  for (const condition of items(status["conditions"]).map(record)) {
    if (condition["type"] === "PodScheduled" && condition["reason"] === "SchedulingGated") {
      tally.reason = "SchedulingGated";
    }
  }
  const initializing = initState(pod, tally);
  if (!initializing || hasCondition(status, "Initialized")) containerState(pod, tally);
  const deleting = dig(pod, "metadata", "deletionTimestamp") !== undefined;
  if (deleting && status["reason"] === "NodeLost") tally.reason = "Unknown";
  else if (deleting && phase !== "Succeeded" && phase !== "Failed") tally.reason = "Terminating";
  return tally;
}

/** True while an init container has yet to finish. Counts the restarts of all init containers. */
function initState(pod: Json, tally: Tally): boolean {
  const containers = items(dig(pod, "spec", "initContainers")).map(record);
  const statuses = items(dig(pod, "status", "initContainerStatuses")).map(record);
  const sidecars = new Set(containers.filter((it) => it["restartPolicy"] === "Always").map((it) => it["name"]));
  for (const [index, status] of statuses.entries()) {
    countRestarts(status, tally);
    const terminated = dig(status, "state", "terminated");
    if (terminated !== undefined && whole(dig(terminated, "exitCode")) === 0) continue;
    if (sidecars.has(status["name"]) && status["started"] === true) {
      if (status["ready"] === true) tally.ready++;
      continue;
    }
    const waiting = text(dig(status, "state", "waiting", "reason"));
    if (terminated !== undefined) tally.reason = `Init:${terminationReason(terminated)}`;
    else if (waiting !== "" && waiting !== "PodInitializing") tally.reason = `Init:${waiting}`;
    else tally.reason = `Init:${index}/${containers.length}`;
    return true;
  }
  return false;
}

function containerState(pod: Json, tally: Tally): void {
  const sidecars = new Set(
    items(dig(pod, "spec", "initContainers")).map(record).filter((it) => it["restartPolicy"] === "Always")
      .map((it) => it["name"]),
  );
  // Once the pod is initialized only the restarts of what keeps running count.
  tally.restarts = 0;
  tally.lastRestart = 0;
  for (const status of items(dig(pod, "status", "initContainerStatuses")).map(record)) {
    if (sidecars.has(status["name"])) countRestarts(status, tally);
  }
  let running = false;
  for (const status of items(dig(pod, "status", "containerStatuses")).map(record).toReversed()) {
    countRestarts(status, tally);
    const waiting = text(dig(status, "state", "waiting", "reason"));
    const terminated = dig(status, "state", "terminated");
    if (waiting !== "") tally.reason = waiting;
    else if (terminated !== undefined) tally.reason = terminationReason(terminated);
    else if (status["ready"] === true && dig(status, "state", "running") !== undefined) {
      running = true;
      tally.ready++;
    }
  }
  if (tally.reason === "Completed" && running) {
    tally.reason = hasCondition(record(pod["status"]), "Ready") ? "Running" : "NotReady";
  }
}

function countRestarts(status: Json, tally: Tally): void {
  tally.restarts += whole(status["restartCount"]);
  const finished = Date.parse(text(dig(status, "lastState", "terminated", "finishedAt")));
  if (finished > tally.lastRestart) tally.lastRestart = finished;
}

function terminationReason(terminated: unknown): string {
  const reason = text(dig(terminated, "reason"));
  if (reason !== "") return reason;
  const signal = whole(dig(terminated, "signal"));
  return signal !== 0 ? `Signal:${signal}` : `ExitCode:${whole(dig(terminated, "exitCode"))}`;
}

function hasCondition(status: Json, type: string): boolean {
  return items(status["conditions"]).map(record).some((it) => it["type"] === type && it["status"] === "True");
}

function readinessGates(pod: Json): string {
  const gates = items(dig(pod, "spec", "readinessGates")).map((gate) => text(record(gate)["conditionType"]));
  if (gates.length === 0) return "<none>";
  const met = gates.filter((gate) => hasCondition(record(pod["status"]), gate)).length;
  return `${met}/${gates.length}`;
}

function conditions(pod: Json): RowCondition[] {
  const phase = dig(pod, "status", "phase");
  if (phase === "Succeeded") {
    return [{ type: "Completed", status: "True", reason: "Succeeded", message: "The pod has completed successfully." }];
  }
  if (phase === "Failed") return [{ type: "Completed", status: "True", reason: "Failed", message: "The pod failed." }];
  return [];
}

/** The NAMES and IMAGES of a pod template, for workloads' wide columns. */
export function templateContainers(object: Json): { names: string; images: string } {
  const containers = items(dig(object, "spec", "template", "spec", "containers")).map(record);
  return {
    names: texts(containers.map((it) => it["name"])).join(","),
    images: texts(containers.map((it) => it["image"])).join(","),
  };
}
