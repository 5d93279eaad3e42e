import { storedAutoscaler } from "../../api/autoscalers.ts";
import { asCoreEvent } from "../../api/events.ts";
import type { EventsV1Event, HorizontalPodAutoscaler } from "../../api/gen/types.ts";
import { firstHorizontalPodAutoscalers, newEvents, type ResourceInfo } from "../../api/resources.ts";
import { dig, items, type Json, record, text, texts, whole } from "../dig.ts";
import { age, count, firstFew, nameOf, selectorText } from "./cells.ts";
import { clusterPrinters } from "./cluster_printers.ts";
import { columns, type Printer } from "./columns.ts";
import { humanDuration, since } from "./duration.ts";
import { podPrinter, templateContainers } from "./pod.ts";
import { storagePrinters } from "./storage_printers.ts";
import { autoscalerPrinter, workloadPrinters } from "./workload_printers.ts";

const namespacePrinter: Printer = {
  columns: columns("Name", "Status", "Age"),
  cells: (it, now) => [nameOf(it), text(dig(it, "status", "phase")), age(it, now)],
};

const configMapPrinter: Printer = {
  columns: columns("Name", "Data", "Age"),
  cells: (it, now) => [nameOf(it), String(count(it["data"]) + count(it["binaryData"])), age(it, now)],
};

const secretPrinter: Printer = {
  columns: columns("Name", "Type", "Data", "Age"),
  cells: (it, now) => [nameOf(it), text(it["type"]), String(count(it["data"])), age(it, now)],
};

const serviceAccountPrinter: Printer = {
  columns: columns("Name", "Secrets", "Age"),
  cells: (it, now) => [nameOf(it), String(items(it["secrets"]).length), age(it, now)],
};

const leasePrinter: Printer = {
  columns: columns("Name", "Holder", "Age"),
  cells: (it, now) => [nameOf(it), text(dig(it, "spec", "holderIdentity")), age(it, now)],
};

const deploymentPrinter: Printer = {
  columns: columns("Name", "Ready", "Up-to-date#", "Available#", "Age", "Containers*", "Images*", "Selector*"),
  cells: (it, now) => {
    const status = record(it["status"]);
    const { names, images } = templateContainers(it);
    return [
      nameOf(it),
      `${whole(status["readyReplicas"])}/${whole(dig(it, "spec", "replicas"))}`,
      whole(status["updatedReplicas"]),
      whole(status["availableReplicas"]),
      age(it, now),
      names,
      images,
      selectorText(dig(it, "spec", "selector")),
    ];
  },
};

const servicePrinter: Printer = {
  columns: columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "Selector*"),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    return [
      nameOf(it),
      text(spec["type"]),
      texts(spec["clusterIPs"])[0] ?? (text(spec["clusterIP"]) || "<none>"),
      externalIp(it),
      servicePorts(items(spec["ports"])),
      age(it, now),
      selectorText(spec["selector"]),
    ];
  },
};

function externalIp(service: Json): string {
  const spec = record(service["spec"]);
  const external = texts(spec["externalIPs"]);
  if (spec["type"] === "ExternalName") return text(spec["externalName"]);
  if (spec["type"] === "LoadBalancer") {
    const ingress = items(dig(service, "status", "loadBalancer", "ingress")).map(record)
      .map((it) => text(it["ip"]) || text(it["hostname"]));
    const all = [...ingress, ...external].filter((it) => it !== "");
    return all.length > 0 ? all.join(",") : "<pending>";
  }
  return external.length > 0 ? external.join(",") : "<none>";
}

function servicePorts(ports: readonly unknown[]): string {
  if (ports.length === 0) return "<none>";
  return ports.map(record).map((port) => {
    const node = whole(port["nodePort"]);
    return `${whole(port["port"])}${node > 0 ? `:${node}` : ""}/${text(port["protocol"])}`;
  }).join(",");
}

const endpointsPrinter: Printer = {
  columns: columns("Name", "Endpoints", "Age"),
  cells: (it, now) => [nameOf(it), endpointList(items(it["subsets"]).map(record)), age(it, now)],
};

/** Ready addresses, each with each port of its subset. */
function endpointList(subsets: readonly Json[]): string {
  if (subsets.length === 0) return "<none>";
  const all = subsets.flatMap((subset) => {
    const ips = items(subset["addresses"]).map((address) => text(record(address)["ip"]));
    const ports = items(subset["ports"]).map((port) => whole(record(port)["port"]));
    return ports.length === 0 ? ips : ports.flatMap((port) => ips.map((ip) => `${ip}:${port}`));
  });
  return all.length === 0 ? "" : firstFew(all, 3);
}

const endpointSlicePrinter: Printer = {
  columns: columns("Name", "AddressType", "Ports", "Endpoints", "Age"),
  cells: (it, now) => [
    nameOf(it),
    text(it["addressType"]),
    firstFew(items(it["ports"]).map(record).map((port) => String(port["port"] ?? port["name"] ?? "*")), 3),
    firstFew(items(it["endpoints"]).flatMap((endpoint) => texts(record(endpoint)["addresses"])), 3),
    age(it, now),
  ],
};

const nodePrinter: Printer = {
  columns: columns(
    "Name",
    "Status",
    "Roles",
    "Age",
    "Version",
    "Internal-IP*",
    "External-IP*",
    "OS-Image*",
    "Kernel-Version*",
    "Container-Runtime*",
  ),
  cells: (it, now) => {
    const system = record(dig(it, "status", "nodeInfo"));
    return [
      nameOf(it),
      nodeStatus(it),
      nodeRoles(it),
      age(it, now),
      text(system["kubeletVersion"]),
      nodeAddress(it, "InternalIP"),
      nodeAddress(it, "ExternalIP"),
      text(system["osImage"]) || "<unknown>",
      text(system["kernelVersion"]) || "<unknown>",
      text(system["containerRuntimeVersion"]) || "<unknown>",
    ];
  },
};

function nodeStatus(node: Json): string {
  const ready = items(dig(node, "status", "conditions")).map(record).find((it) => it["type"] === "Ready");
  const words = [ready === undefined ? "Unknown" : ready["status"] === "True" ? "Ready" : "NotReady"];
  if (dig(node, "spec", "unschedulable") === true) words.push("SchedulingDisabled");
  return words.join(",");
}

function nodeRoles(node: Json): string {
  const labels = record(dig(node, "metadata", "labels"));
  const roles = new Set<string>();
  for (const [label, value] of Object.entries(labels)) {
    if (label.startsWith("node-role.kubernetes.io/") && label.length > 24) roles.add(label.slice(24));
    else if (label === "kubernetes.io/role" && value !== "") roles.add(text(value));
  }
  return roles.size === 0 ? "<none>" : [...roles].sort().join(",");
}

function nodeAddress(node: Json, type: string): string {
  const address = items(dig(node, "status", "addresses")).map(record).find((it) => it["type"] === type);
  return text(address?.["address"]) || "<none>";
}

const eventPrinter: Printer = {
  columns: columns(
    "Last Seen",
    "Type",
    "Reason",
    "Object",
    "Subobject*",
    "Source*",
    "Message",
    "First Seen*",
    "Count#*",
    "Name*",
  ),
  cells: (it, now) => {
    const involved = record(it["involvedObject"]);
    const first = since(text(it["firstTimestamp"]) || it["eventTime"], now);
    const lastSeen = text(dig(it, "series", "lastObservedTime")) || text(it["lastTimestamp"]);
    const target = `${text(involved["kind"]).toLowerCase()}${involved["name"] ? `/${text(involved["name"])}` : ""}`;
    return [
      lastSeen === "" ? first : since(lastSeen, now),
      text(it["type"]),
      text(it["reason"]),
      target,
      text(involved["fieldPath"]),
      eventSource(it),
      text(it["message"]).trim(),
      first,
      whole(dig(it, "series", "count")) || whole(it["count"]) || 1,
      nameOf(it),
    ];
  },
};

function eventSource(event: Json): string {
  const component = text(dig(event, "source", "component")) || text(event["reportingComponent"]);
  const host = text(dig(event, "source", "host")) || text(event["reportingInstance"]);
  return host === "" ? component : `${component}, ${host}`;
}

/** When rather than how long ago: what upstream prints of kinds without a printer. */
const plainPrinter: Printer = {
  columns: columns("Name", "Created At"),
  cells: (it) => [nameOf(it), text(dig(it, "metadata", "creationTimestamp"))],
};

/** Conditions in this order, whatever theirs: `Approved,Issued`. */
const signingRequestPrinter: Printer = {
  columns: columns("Name", "Age", "SignerName", "Requestor", "RequestedDuration", "Condition"),
  cells: (it, now) => {
    const seconds = dig(it, "spec", "expirationSeconds");
    const types = items(dig(it, "status", "conditions")).map((condition) => text(dig(condition, "type")));
    const verdict = types.includes("Denied") ? "Denied" : types.includes("Approved") ? "Approved" : "Pending";
    const failed = types.includes("Failed") ? ["Failed"] : [];
    const issued = text(dig(it, "status", "certificate")) === "" ? [] : ["Issued"];
    return [
      nameOf(it),
      age(it, now),
      text(dig(it, "spec", "signerName")) || "<none>",
      text(dig(it, "spec", "username")),
      typeof seconds === "number" ? humanDuration(seconds * 1000) : "<none>",
      [verdict, ...failed, ...issued].join(","),
    ];
  },
};

const printers: Readonly<Record<string, Printer>> = {
  ...clusterPrinters,
  ...storagePrinters,
  ...workloadPrinters,
  certificatesigningrequests: signingRequestPrinter,
  configmaps: configMapPrinter,
  deployments: deploymentPrinter,
  endpoints: endpointsPrinter,
  endpointslices: endpointSlicePrinter,
  events: eventPrinter,
  leases: leasePrinter,
  namespaces: namespacePrinter,
  nodes: nodePrinter,
  pods: podPrinter,
  secrets: secretPrinter,
  serviceaccounts: serviceAccountPrinter,
  services: servicePrinter,
};

/** Of a face of what is stored: its printer's columns, whose cells are read from what is stored. */
function otherFace({ columns, cells }: Printer, stored: (it: Json) => object): Printer {
  return { columns, cells: (it, now) => cells({ ...stored(it) }, now) };
}

const byInfo: ReadonlyMap<ResourceInfo, Printer> = new Map([
  [newEvents, otherFace(eventPrinter, (it) => asCoreEvent(it as unknown as EventsV1Event))],
  [
    firstHorizontalPodAutoscalers,
    otherFace(autoscalerPrinter, (it) => storedAutoscaler(it as unknown as HorizontalPodAutoscaler)),
  ],
]);

export function printerFor(info: ResourceInfo): Printer {
  return byInfo.get(info) ?? printers[info.resource] ?? plainPrinter;
}
