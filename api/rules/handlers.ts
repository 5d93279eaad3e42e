/** Probes and lifecycle handlers. */
import { type FieldError, forbidden, invalid, required } from "../field_errors.ts";
import type { ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe } from "../gen/types.ts";
import { httpHeaderName } from "../names.ts";
import { each, nonNegative, oneOf, portNumberOrName, unset } from "./common.ts";

type Handler = Pick<Probe, "exec" | "httpGet" | "tcpSocket" | "grpc"> & Pick<LifecycleHandler, "sleep">;
export type ProbeKind = "livenessProbe" | "readinessProbe" | "startupProbe";

function validateHandler(handler: Handler, graceSeconds: number | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  for (const kind of ["exec", "httpGet", "tcpSocket", "grpc", "sleep"] as const) {
    if (handler[kind] === undefined) continue;
    if (count++ > 0) errors.push(forbidden(`${path}.${kind}`, "may not specify more than 1 handler type"));
    else errors.push(...validateAction(kind, handler, graceSeconds, `${path}.${kind}`));
  }
  if (count === 0) errors.push(required(path, "must specify a handler type"));
  return errors;
}

function validateAction(
  kind: keyof Handler,
  handler: Handler,
  graceSeconds: number | undefined,
  path: string,
): FieldError[] {
  switch (kind) {
    case "exec":
      return validateExec(handler.exec, path);
    case "httpGet":
      return handler.httpGet === undefined ? [] : validateHttpGet(handler.httpGet, path);
    case "tcpSocket":
      return portNumberOrName(handler.tcpSocket?.port, `${path}.port`);
    case "grpc":
      return portNumberOrName(handler.grpc?.port, `${path}.port`);
    case "sleep": {
      const seconds = handler.sleep?.seconds ?? 0;
      if (graceSeconds === undefined || (seconds >= 0 && seconds <= graceSeconds)) return [];
      const text = `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`;
      return [invalid(path, seconds, text)];
    }
  }
}

function validateExec(exec: ExecAction | undefined, path: string): FieldError[] {
  return (exec?.command ?? []).length === 0 ? [required(`${path}.command`)] : [];
}

function validateHttpGet(action: HTTPGetAction, path: string): FieldError[] {
  const errors = unset(action.path) ? [required(`${path}.path`)] : [];
  errors.push(...portNumberOrName(action.port, `${path}.port`));
  errors.push(...oneOf(action.scheme, `${path}.scheme`, ["HTTP", "HTTPS"]));
  for (const header of action.httpHeaders ?? []) {
    errors.push(...each(httpHeaderName(header.name ?? ""), `${path}.httpHeaders`, header.name));
  }
  return errors;
}

export function validateProbe(
  probe: Probe | undefined,
  kind: ProbeKind,
  graceSeconds: number | undefined,
  path: string,
): FieldError[] {
  if (probe === undefined) return [];
  const errors = validateHandler(probe, graceSeconds, path);
  const counts = ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];
  for (const name of counts as (keyof Probe)[]) {
    const value = probe[name];
    if (typeof value === "number") errors.push(...nonNegative(value, `${path}.${name}`));
  }
  const grace = probe.terminationGracePeriodSeconds;
  if (grace !== undefined && grace <= 0) {
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, "must be greater than 0"));
  }
  if (kind === "readinessProbe") {
    if (grace !== undefined) {
      const text = "must not be set for readinessProbes";
      errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, text));
    }
  } else if (probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold ?? 0, "must be 1"));
  }
  return errors;
}

export function validateLifecycle(
  lifecycle: Lifecycle | undefined,
  graceSeconds: number | undefined,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  for (const hook of ["postStart", "preStop"] as const) {
    const handler = lifecycle?.[hook];
    if (handler !== undefined) errors.push(...validateHandler(handler, graceSeconds, `${path}.${hook}`));
  }
  return errors;
}
