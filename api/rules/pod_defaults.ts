/** Defaults of pods and pod templates. @see kubernetes pkg/apis/core/v1/defaults.go */
import type { Container, IntOrString, Lifecycle, Pod, PodSpec, PodTemplateSpec, Probe, Volume } from "../gen/types.ts";
import { unset } from "./common.ts";
import { roundToMilli } from "./resource_lists.ts";

/** What a PodSpec gets wherever it stands. */
export function defaultPodSpec(spec: PodSpec): void {
  if (unset(spec.dnsPolicy)) spec.dnsPolicy = "ClusterFirst";
  if (unset(spec.restartPolicy)) spec.restartPolicy = "Always";
  spec.securityContext ??= {};
  spec.terminationGracePeriodSeconds ??= 30;
  if (unset(spec.schedulerName)) spec.schedulerName = "default-scheduler";
  defaultServiceAccount(spec);
  for (const volume of spec.volumes ?? []) defaultVolume(volume);
  for (const container of spec.containers ?? []) defaultContainer(container);
  for (const container of spec.initContainers ?? []) defaultContainer(container);
  for (const container of spec.ephemeralContainers ?? []) defaultContainer(container);
  roundToMilli(spec.overhead);
  roundToMilli(spec.resources?.limits);
  roundToMilli(spec.resources?.requests);
}

/** The field's old name stays in step with the new one, which leads. */
function defaultServiceAccount(spec: PodSpec): void {
  if (unset(spec.serviceAccountName)) {
    if (!unset(spec.serviceAccount)) spec.serviceAccountName = spec.serviceAccount;
  } else {
    spec.serviceAccount = spec.serviceAccountName;
  }
}

export function defaultPodTemplate(template: PodTemplateSpec | undefined): void {
  if (template !== undefined) defaultPodSpec(template.spec ??= { containers: [] });
}

/** What a Pod gets and a template does not: so that a template stays as its author wrote it. */
export function defaultPod(pod: Pod): void {
  // An absent spec is Go's zero value: it gets its defaults and then fails for want of containers.
  const spec = pod.spec ??= { containers: [] };
  for (const container of [...spec.containers ?? [], ...spec.initContainers ?? []]) {
    const limits = container.resources?.limits;
    if (limits === undefined || container.resources === undefined) continue;
    container.resources.requests = { ...limits, ...container.resources.requests };
  }
  const podLimits = spec.resources?.limits;
  if (podLimits !== undefined && spec.resources !== undefined) {
    spec.resources.requests = { ...podLimits, ...spec.resources.requests };
  }
  spec.enableServiceLinks ??= true;
  if (spec.hostNetwork === true) {
    for (const container of [...spec.containers ?? [], ...spec.initContainers ?? []]) {
      for (const port of container.ports ?? []) if ((port.hostPort ?? 0) === 0) port.hostPort = port.containerPort;
    }
  }
  defaultPodSpec(spec);
}

function defaultContainer(container: Container): void {
  if (unset(container.imagePullPolicy)) {
    container.imagePullPolicy = imageTag(container.image ?? "") === "latest" ? "Always" : "IfNotPresent";
  }
  if (unset(container.terminationMessagePath)) container.terminationMessagePath = "/dev/termination-log";
  if (unset(container.terminationMessagePolicy)) container.terminationMessagePolicy = "File";
  // Upstream's Go structure always has this one, empty or not, so `resources: {}` is what everyone sees.
  container.resources ??= {};
  roundToMilli(container.resources.limits);
  roundToMilli(container.resources.requests);
  for (const port of container.ports ?? []) if (unset(port.protocol)) port.protocol = "TCP";
  for (const variable of container.env ?? []) {
    const reference = variable.valueFrom?.fieldRef;
    if (reference !== undefined && unset(reference.apiVersion)) reference.apiVersion = "v1";
  }
  for (const probe of [container.livenessProbe, container.readinessProbe, container.startupProbe]) defaultProbe(probe);
  defaultLifecycle(container.lifecycle);
}

/**
 * The tag of an image reference: `latest` when it names neither tag nor digest, "" when it has a digest alone.
 * A colon before the last slash belongs to a registry's port.
 */
export function imageTag(image: string): string {
  const [named = "", digest] = image.split("@");
  const last = named.slice(named.lastIndexOf("/") + 1);
  const colon = last.indexOf(":");
  if (colon >= 0) return last.slice(colon + 1);
  return digest === undefined ? "latest" : "";
}

function defaultProbe(probe: Probe | undefined): void {
  if (probe === undefined) return;
  if ((probe.timeoutSeconds ?? 0) === 0) probe.timeoutSeconds = 1;
  if ((probe.periodSeconds ?? 0) === 0) probe.periodSeconds = 10;
  if ((probe.successThreshold ?? 0) === 0) probe.successThreshold = 1;
  if ((probe.failureThreshold ?? 0) === 0) probe.failureThreshold = 3;
  defaultHttpGet(probe.httpGet);
  if (probe.grpc !== undefined) probe.grpc.service ??= "";
}

function defaultLifecycle(lifecycle: Lifecycle | undefined): void {
  defaultHttpGet(lifecycle?.postStart?.httpGet);
  defaultHttpGet(lifecycle?.preStop?.httpGet);
}

interface HttpGet {
  path?: string;
  scheme?: string;
  port: IntOrString;
}

function defaultHttpGet(action: HttpGet | undefined): void {
  if (action === undefined) return;
  if (unset(action.path)) action.path = "/";
  if (unset(action.scheme)) action.scheme = "HTTP";
}

function defaultVolume(volume: Volume): void {
  if (Object.keys(volume).every((key) => key === "name")) volume.emptyDir = {};
  if (volume.secret !== undefined) volume.secret.defaultMode ??= 0o644;
  if (volume.configMap !== undefined) volume.configMap.defaultMode ??= 0o644;
  if (volume.downwardAPI !== undefined) {
    volume.downwardAPI.defaultMode ??= 0o644;
    for (const item of volume.downwardAPI.items ?? []) {
      if (item.fieldRef !== undefined && unset(item.fieldRef.apiVersion)) item.fieldRef.apiVersion = "v1";
    }
  }
  if (volume.hostPath !== undefined) volume.hostPath.type ??= "";
  if (volume.projected !== undefined) {
    volume.projected.defaultMode ??= 0o644;
    for (const source of volume.projected.sources ?? []) {
      if (source.serviceAccountToken !== undefined) source.serviceAccountToken.expirationSeconds ??= 3600;
      for (const item of source.downwardAPI?.items ?? []) {
        if (item.fieldRef !== undefined && unset(item.fieldRef.apiVersion)) item.fieldRef.apiVersion = "v1";
      }
    }
  }
  if (volume.image !== undefined && unset(volume.image.pullPolicy)) {
    volume.image.pullPolicy = imageTag(volume.image.reference ?? "") === "latest" ? "Always" : "IfNotPresent";
  }
}
