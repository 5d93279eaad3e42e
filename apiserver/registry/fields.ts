import { firstVersionAutoscaler, storedAutoscaler } from "../../api/autoscalers.ts";
import { asCoreEvent, asNewEvent } from "../../api/events.ts";
import type {
  CoreV1Event,
  EventsV1Event,
  HorizontalPodAutoscaler,
  V2HorizontalPodAutoscaler,
} from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import {
  apiServices,
  certificateSigningRequests,
  customResourceDefinitions,
  endpoints,
  events,
  firstHorizontalPodAutoscalers,
  horizontalPodAutoscalers,
  ingresses,
  jobs,
  namespaces,
  newEvents,
  nodes,
  pods,
  replicaSets,
  replicationControllers,
  type ResourceInfo,
  resources,
  resourceSlices,
  secrets,
  services,
} from "../../api/resources.ts";
import { dig, items, record, text } from "../dig.ts";
import { type StoredForm, type StoredResource, storedResource } from "../watchcache/cached.ts";

type Fields = Readonly<Record<string, string>>;

/** What can be selected by field, by resource, besides metadata.name and metadata.namespace. Values are strings. */
const selectable = new Map<ResourceInfo, (object: KubeObject) => Fields>([
  [pods, podFields],
  [nodes, (it) => ({ "spec.unschedulable": String(dig(it, "spec", "unschedulable") === true) })],
  [namespaces, (it) => ({ "status.phase": text(dig(it, "status", "phase")) })],
  [secrets, (it) => ({ type: text(dig(it, "type")) })],
  [services, (it) => ({
    "spec.clusterIP": text(dig(it, "spec", "clusterIP")),
    "spec.type": text(dig(it, "spec", "type")),
  })],
  [events, eventFields],
  [newEvents, newEventFields],
  [replicaSets, replicasField],
  [replicationControllers, replicasField],
  [jobs, (it) => ({ "status.successful": String(dig(it, "status", "succeeded") ?? 0) })],
  [certificateSigningRequests, (it) => ({ "spec.signerName": text(dig(it, "spec", "signerName")) })],
  [resourceSlices, (it) => ({
    "spec.nodeName": text(dig(it, "spec", "nodeName")),
    "spec.driver": text(dig(it, "spec", "driver")),
  })],
]);

function replicasField(object: KubeObject): Fields {
  return { "status.replicas": String(dig(object, "status", "replicas") ?? 0) };
}

const noFields: Fields = Object.freeze({});

function podFields(pod: KubeObject): Fields {
  const spec = record(dig(pod, "spec"));
  const status = record(dig(pod, "status"));
  return {
    "spec.nodeName": text(spec["nodeName"]),
    "spec.restartPolicy": text(spec["restartPolicy"]),
    "spec.schedulerName": text(spec["schedulerName"]),
    "spec.serviceAccountName": text(spec["serviceAccountName"]),
    "spec.hostNetwork": String(spec["hostNetwork"] === true),
    "status.phase": text(status["phase"]),
    "status.podIP": text(status["podIP"]) || text(record(items(status["podIPs"])[0])["ip"]),
    "status.nominatedNodeName": text(status["nominatedNodeName"]),
  };
}

function eventFields(event: KubeObject): Fields {
  const involved = record(dig(event, "involvedObject"));
  const source = text(dig(event, "source", "component"));
  return {
    "involvedObject.kind": text(involved["kind"]),
    "involvedObject.namespace": text(involved["namespace"]),
    "involvedObject.name": text(involved["name"]),
    "involvedObject.uid": text(involved["uid"]),
    "involvedObject.apiVersion": text(involved["apiVersion"]),
    "involvedObject.resourceVersion": text(involved["resourceVersion"]),
    "involvedObject.fieldPath": text(involved["fieldPath"]),
    reason: text(dig(event, "reason")),
    reportingComponent: text(dig(event, "reportingComponent")),
    source: source === "" ? text(dig(event, "reportingComponent")) : source,
    type: text(dig(event, "type")),
  };
}

/** The same by the names that events.k8s.io has for them. */
function newEventFields(event: KubeObject): Fields {
  return Object.fromEntries(
    Object.entries(eventFields(asCoreEvent(event as EventsV1Event)))
      .filter(([name]) => name !== "source")
      .map(([name, value]) => [name.replace("involvedObject", "regarding").replace("Component", "Controller"), value]),
  );
}

/** Resources whose objects are stored as another resource has them. */
const otherFaces: ReadonlyMap<ResourceInfo, StoredForm> = new Map([
  [newEvents, {
    info: events,
    read: (stored: KubeObject) => asNewEvent(stored as CoreV1Event),
    write: (served: KubeObject) => asCoreEvent(served as EventsV1Event),
  }],
  [firstHorizontalPodAutoscalers, {
    info: horizontalPodAutoscalers,
    read: (stored: KubeObject) => firstVersionAutoscaler(stored as V2HorizontalPodAutoscaler),
    write: (served: KubeObject) => storedAutoscaler(served as HorizontalPodAutoscaler),
  }],
]);

/** The names that a field selector of this resource may use. */
export function selectableNames({ info, fields }: StoredResource): ReadonlySet<string> {
  const own = Object.keys(fields({}));
  return new Set(["metadata.name", ...(info.namespaced || info === namespaces ? ["metadata.namespace"] : []), ...own]);
}

/** Where kube-apiserver keeps each resource in etcd. */
function prefixOf(info: ResourceInfo): string {
  switch (info) {
    case nodes:
      return "/registry/minions/";
    case services:
      return "/registry/services/specs/";
    case endpoints:
      return "/registry/services/endpoints/";
    case replicationControllers:
      return "/registry/controllers/";
    case ingresses:
      return "/registry/ingress/";
    case customResourceDefinitions:
    case apiServices:
      return `/registry/${info.group}/${info.resource}/`;
    default:
      return `/registry/${info.resource}/`;
  }
}

export function storedResources(): StoredResource[] {
  return resources.map((info) =>
    storedResource(
      info,
      prefixOf(info),
      selectable.get(info) ?? (() => noFields),
      otherFaces.get(info),
    )
  );
}
