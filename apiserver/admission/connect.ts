import type { KubeObject } from "../../api/meta.ts";
import { pods } from "../../api/resources.ts";
import type { Registry, WriteContext } from "../registry/context.ts";
import { isTrue, type ResourceRequest } from "../request_info.ts";
import { askValidators, hasDynamicAdmission } from "./webhooks/dispatch.ts";

const optionKinds: Readonly<Record<string, string>> = {
  attach: "PodAttachOptions",
  exec: "PodExecOptions",
  portforward: "PodPortForwardOptions",
};

/**
 * Who opens a stream to a pod changes nothing that is stored; policies and validating webhooks may refuse it all the
 * same. They are shown the stream's options. @throws ApiError 403
 */
export async function admitConnect(registry: Registry, context: WriteContext, request: ResourceRequest): Promise<void> {
  const kind = optionKinds[request.subresource];
  if (kind === undefined || !hasDynamicAdmission(registry)) return;
  const { namespace, name, subresource, query } = request;
  await askValidators(registry, context, {
    operation: "CONNECT",
    info: pods,
    kind,
    namespace,
    name,
    subresource,
    object: streamOptions(kind, query),
    old: null,
  });
}

function streamOptions(kind: string, query: URLSearchParams): KubeObject {
  const flags = ["stdin", "stdout", "stderr", "tty"].filter((flag) => isTrue(query.get(flag)));
  const command = query.getAll("command");
  const container = query.get("container") ?? "";
  // An object without metadata, as upstream's options are.
  return {
    kind,
    apiVersion: "v1",
    ...Object.fromEntries(flags.map((flag) => [flag, true])),
    ...(container === "" ? {} : { container }),
    ...(command.length === 0 ? {} : { command }),
  } as KubeObject;
}
