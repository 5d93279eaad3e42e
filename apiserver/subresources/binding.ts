import { decodeRequest } from "../request_body.ts";
import { required } from "../../api/field_errors.ts";
import type { KubeObject } from "../../api/meta.ts";
import { pods } from "../../api/resources.ts";
import { conflict, invalid, notFound } from "../../api/status.ts";
import { formatTime } from "../../api/time.ts";
import { dig, items, type Json, record, text } from "../dig.ts";
import type { Exchange } from "../exchange.ts";
import type { Registry } from "../registry/context.ts";
import { modify, type Next } from "../registry/write.ts";
import type { ResourceRequest } from "../request_info.ts";
import { agree, fieldValidation, writeContext } from "../resource_handler.ts";
import { respondValue } from "../registry/output.ts";

/** POST pods/NAME/binding: sets spec.nodeName, once and for all, and says so in the PodScheduled condition. */
export async function handleBinding(
  registry: Registry,
  exchange: Exchange,
  request: ResourceRequest,
): Promise<Response> {
  const negotiated = agree(exchange, { shapes: false });
  const contentType = exchange.request.headers.get("content-type") ?? "";
  const { object: binding, warnings } = decodeRequest<KubeObject>(
    exchange.body,
    contentType,
    "io.k8s.api.core.v1.Binding",
    {
      fieldValidation: fieldValidation(exchange),
    },
  );
  exchange.warnings.push(...warnings);
  const node = text(dig(binding, "target", "name"));
  if (node === "") throw invalid({ group: "", kind: "Binding" }, request.name, [required("target.name")]);
  await modify(registry, writeContext(exchange), {
    strategy: registry.strategy(pods),
    namespace: request.namespace,
    name: request.name,
    next: ({ object }): Next => {
      if (object === null) throw notFound(pods, request.name);
      return { kind: "put", object: bound(object, binding, node, formatTime(registry.clock.now())) };
    },
  });
  return respondValue(
    201,
    { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
    negotiated,
  );
}

function bound(pod: KubeObject, binding: KubeObject, node: string, now: string): KubeObject {
  const meta = pod.metadata ?? {};
  const name = meta.name ?? "";
  const spec = record(dig(pod, "spec"));
  const wanted = binding.metadata?.uid ?? "";
  if (wanted !== "" && wanted !== meta.uid) {
    const why = `Precondition failed: UID in precondition: ${wanted}, UID in object meta: ${meta.uid ?? ""}`;
    throw conflict(pods, name, why);
  }
  if (meta.deletionTimestamp !== undefined) {
    throw conflict(bindings, name, `pod ${name} is being deleted, cannot be assigned to a host`);
  }
  const assigned = text(spec["nodeName"]);
  if (assigned !== "") throw conflict(bindings, name, `pod ${name} is already assigned to node "${assigned}"`);
  if (items(spec["schedulingGates"]).length > 0) {
    throw conflict(bindings, name, `pod ${name} has non-empty .spec.schedulingGates`);
  }
  const status = record(dig(pod, "status"));
  // Shallow: nothing of the present object is changed.
  return {
    ...pod,
    metadata: withAnnotations(pod, binding),
    spec: { ...spec, nodeName: node },
    status: { ...status, conditions: scheduled(items(status["conditions"]).map(record), now) },
  } as KubeObject;
}

const bindings = { group: "", resource: "pods/binding" };

function withAnnotations(pod: KubeObject, binding: KubeObject): KubeObject["metadata"] {
  const more = binding.metadata?.annotations;
  if (more === undefined) return pod.metadata ?? {};
  return { ...pod.metadata, annotations: { ...pod.metadata?.annotations, ...more } };
}

function scheduled(conditions: readonly Json[], now: string): Json[] {
  const others = conditions.filter((it) => it["type"] !== "PodScheduled");
  const before = conditions.find((it) => it["type"] === "PodScheduled");
  const since = before?.["status"] === "True" ? before["lastTransitionTime"] : now;
  return [...others, { type: "PodScheduled", status: "True", lastProbeTime: null, lastTransitionTime: since }];
}
