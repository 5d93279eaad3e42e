import { dig, items, type Json, record, text, whole } from "../dig.ts";
import { age, nameOf, orElse, selectorText } from "./cells.ts";
import { columns, type Printer } from "./columns.ts";
import { humanDuration, since } from "./duration.ts";
import { templateContainers } from "./pod.ts";

const templateColumns = ["Containers*", "Images*", "Selector*"] as const;

function templateCells(object: Json): string[] {
  const { names, images } = templateContainers(object);
  return [names, images, selectorText(dig(object, "spec", "selector"))];
}

/** ReplicaSets and their elder sister alike. */
const controllerPrinter: Printer = {
  columns: columns("Name", "Desired#", "Current#", "Ready#", "Age", ...templateColumns),
  cells: (it, now) => {
    const status = record(it["status"]);
    return [
      nameOf(it),
      whole(dig(it, "spec", "replicas")),
      whole(status["replicas"]),
      whole(status["readyReplicas"]),
      age(it, now),
      ...templateCells(it),
    ];
  },
};

const daemonSetPrinter: Printer = {
  columns: columns(
    "Name",
    "Desired#",
    "Current#",
    "Ready#",
    "Up-to-date#",
    "Available#",
    "Node Selector",
    "Age",
    ...templateColumns,
  ),
  cells: (it, now) => {
    const status = record(it["status"]);
    return [
      nameOf(it),
      whole(status["desiredNumberScheduled"]),
      whole(status["currentNumberScheduled"]),
      whole(status["numberReady"]),
      whole(status["updatedNumberScheduled"]),
      whole(status["numberAvailable"]),
      selectorText(dig(it, "spec", "template", "spec", "nodeSelector")),
      age(it, now),
      ...templateCells(it),
    ];
  },
};

const statefulSetPrinter: Printer = {
  columns: columns("Name", "Ready", "Age", "Containers*", "Images*"),
  cells: (it, now) => {
    const { names, images } = templateContainers(it);
    const ready = `${whole(dig(it, "status", "readyReplicas"))}/${whole(dig(it, "spec", "replicas"))}`;
    return [nameOf(it), ready, age(it, now), names, images];
  },
};

const jobPrinter: Printer = {
  columns: columns("Name", "Status", "Completions", "Duration", "Age", ...templateColumns),
  cells: (
    it,
    now,
  ) => [nameOf(it), jobState(it), completions(it), duration(it, now), age(it, now), ...templateCells(it)],
};

function jobState(job: Json): string {
  const has = (type: string) =>
    items(dig(job, "status", "conditions")).map(record).some((it) => it["type"] === type && it["status"] === "True");
  if (has("Complete")) return "Complete";
  if (has("Failed")) return "Failed";
  if (text(dig(job, "metadata", "deletionTimestamp")) !== "") return "Terminating";
  return ["Suspended", "FailureTarget", "SuccessCriteriaMet"].find(has) ?? "Running";
}

function completions(job: Json): string {
  const spec = record(job["spec"]);
  const done = whole(dig(job, "status", "succeeded"));
  if (typeof spec["completions"] === "number") return `${done}/${spec["completions"]}`;
  const parallelism = whole(spec["parallelism"]);
  return parallelism > 1 ? `${done}/1 of ${parallelism}` : `${done}/1`;
}

function duration(job: Json, now: number): string {
  const started = text(dig(job, "status", "startTime"));
  const ended = text(dig(job, "status", "completionTime"));
  if (started === "") return "";
  return humanDuration((ended === "" ? now : Date.parse(ended)) - Date.parse(started));
}

const cronJobPrinter: Printer = {
  columns: columns(
    "Name",
    "Schedule",
    "Timezone",
    "Suspend",
    "Active#",
    "Last Schedule",
    "Age",
    ...templateColumns,
  ),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const last = text(dig(it, "status", "lastScheduleTime"));
    const suspend = spec["suspend"];
    return [
      nameOf(it),
      text(spec["schedule"]),
      orElse(spec["timeZone"], "<none>"),
      suspend === undefined ? "<unset>" : suspend === true ? "True" : "False",
      items(dig(it, "status", "active")).length,
      last === "" ? "<none>" : since(last, now),
      age(it, now),
      ...templateCells(record(spec["jobTemplate"])),
    ];
  },
};

const revisionPrinter: Printer = {
  columns: columns("Name", "Controller", "Revision#", "Age"),
  cells: (it, now) => {
    const owner = items(dig(it, "metadata", "ownerReferences")).map(record).find((each) => each["controller"] === true);
    const [group, version] = text(owner?.["apiVersion"]).split("/");
    const kind = text(owner?.["kind"]).toLowerCase();
    const controller = owner === undefined
      ? "<none>"
      : `${kind}${version === undefined ? "" : `.${group}`}/${text(owner["name"])}`;
    return [nameOf(it), controller, whole(it["revision"]), age(it, now)];
  },
};

const podTemplatePrinter: Printer = {
  columns: columns("Name", "Containers", "Images", "Pod Labels"),
  cells: (it) => {
    const { names, images } = templateContainers({ spec: it });
    return [nameOf(it), names, images, selectorText(dig(it, "template", "metadata", "labels"))];
  },
};

const budgetPrinter: Printer = {
  columns: columns("Name", "Min Available", "Max Unavailable", "Allowed Disruptions#", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    return [
      nameOf(it),
      orElse(spec["minAvailable"], "N/A"),
      orElse(spec["maxUnavailable"], "N/A"),
      whole(dig(it, "status", "disruptionsAllowed")),
      age(it, now),
    ];
  },
};

export const autoscalerPrinter: Printer = {
  columns: columns("Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas#", "Age"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    return [
      nameOf(it),
      `${text(dig(spec, "scaleTargetRef", "kind"))}/${text(dig(spec, "scaleTargetRef", "name"))}`,
      targets(it),
      orElse(spec["minReplicas"], "<unset>"),
      orElse(spec["maxReplicas"], ""),
      whole(dig(it, "status", "currentReplicas")),
      age(it, now),
    ];
  },
};

const targetsMax = 2;

/** What is measured against what is wanted, `cpu: 30%/80%`. */
function targets(autoscaler: Json): string {
  const specs = items(dig(autoscaler, "spec", "metrics")).map(record);
  if (specs.length === 0) return "<none>";
  const current = items(dig(autoscaler, "status", "currentMetrics")).map(record);
  const list = specs.map((spec, i) => {
    const type = text(spec["type"]);
    const field = type.charAt(0).toLowerCase() + type.slice(1);
    const target = record(dig(spec, field, "target"));
    const now = record(dig(current[i], field, "current"));
    const label = type === "Resource" || type === "ContainerResource" ? `${text(dig(spec, field, "name"))}: ` : "";
    if (target["averageValue"] !== undefined) {
      const average = type === "External" || type === "Object" ? " (avg)" : "";
      return `${label}${orElse(now["averageValue"], "<unknown>")}/${orElse(target["averageValue"], "")}${average}`;
    }
    if (target["averageUtilization"] !== undefined) {
      const used = now["averageUtilization"];
      return `${label}${used === undefined ? "<unknown>" : `${used}%`}/${target["averageUtilization"]}%`;
    }
    return `${label}${orElse(now["value"], "<unknown>")}/${orElse(target["value"], "<auto>")}`;
  });
  const shown = list.slice(0, targetsMax).join(", ");
  return list.length > targetsMax ? `${shown} + ${list.length - targetsMax} more...` : shown;
}

const quotaPrinter: Printer = {
  columns: columns("Name", "Request", "Limit", "Age"),
  cells: (it, now) => {
    const hard = record(dig(it, "status", "hard"));
    const used = record(dig(it, "status", "used"));
    const share = (isLimit: boolean) =>
      Object.keys(hard).sort().filter((name) => name.startsWith("limits.") === isLimit)
        .map((name) => `${name}: ${orElse(used[name], "0")}/${orElse(hard[name], "0")}`).join(", ");
    return [nameOf(it), share(false), share(true), age(it, now)];
  },
};

const priorityClassPrinter: Printer = {
  columns: columns("Name", "Value#", "Global-Default?", "Age", "PreemptionPolicy"),
  cells: (it, now) => [
    nameOf(it),
    whole(it["value"]),
    it["globalDefault"] === true,
    age(it, now),
    text(it["preemptionPolicy"]),
  ],
};

const runtimeClassPrinter: Printer = {
  columns: columns("Name", "Handler", "Age"),
  cells: (it, now) => [nameOf(it), text(it["handler"]), age(it, now)],
};

/** Kinds that make pods, and what bounds them. */
export const workloadPrinters: Readonly<Record<string, Printer>> = {
  controllerrevisions: revisionPrinter,
  cronjobs: cronJobPrinter,
  daemonsets: daemonSetPrinter,
  horizontalpodautoscalers: autoscalerPrinter,
  jobs: jobPrinter,
  poddisruptionbudgets: budgetPrinter,
  podtemplates: podTemplatePrinter,
  priorityclasses: priorityClassPrinter,
  replicasets: controllerPrinter,
  replicationcontrollers: controllerPrinter,
  resourcequotas: quotaPrinter,
  runtimeclasses: runtimeClassPrinter,
  statefulsets: statefulSetPrinter,
};
