import type { Container, Volume } from "../../../api/gen/types.ts";
import { isGoodSeccomp, seccomp } from "./baseline.ts";
import {
  badContainers,
  type Check,
  containersOf,
  containerText,
  joinQuoted,
  plural,
  settersText,
  sortedSet,
  type Subject,
  type Violation,
} from "./check.ts";

/** The rules that `restricted` adds to `baseline`: no root, no rights that are not asked for. */
export const restrictedChecks: readonly Check[] = [
  { id: "allowPrivilegeEscalation", since: 8, linuxOnly: true, run: escalation },
  { id: "capabilities_restricted", since: 22, linuxOnly: true, run: capabilities },
  { id: "restrictedVolumes", since: 0, run: volumes },
  { id: "runAsNonRoot", since: 0, run: runAsNonRoot },
  { id: "runAsUser", since: 23, run: runAsUser },
  { id: "seccompProfile_restricted", since: 19, linuxOnly: true, run: seccompIsSet },
];

function escalation({ spec }: Subject): Violation | null {
  const names = badContainers(spec, ({ securityContext }) => securityContext?.allowPrivilegeEscalation !== false);
  if (names.length === 0) return null;
  return {
    reason: "allowPrivilegeEscalation != false",
    detail: `${containerText(names)} must set securityContext.allowPrivilegeEscalation=false`,
  };
}

function capabilities({ spec }: Subject): Violation | null {
  const keeps = ({ securityContext }: Container) => !(securityContext?.capabilities?.drop ?? []).includes("ALL");
  const added = ({ securityContext }: Container) =>
    (securityContext?.capabilities?.add ?? []).filter((it) => it !== "NET_BIND_SERVICE");
  const keeping = badContainers(spec, keeps);
  const adding = badContainers(spec, (container) => added(container).length > 0);
  if (keeping.length === 0 && adding.length === 0) return null;
  const list = joinQuoted(sortedSet(containersOf(spec).flatMap(added)));
  const details = [
    ...(keeping.length > 0 ? [`${containerText(keeping)} must set securityContext.capabilities.drop=["ALL"]`] : []),
    ...(adding.length > 0
      ? [`${containerText(adding)} must not include ${list} in securityContext.capabilities.add`]
      : []),
  ];
  return { reason: "unrestricted capabilities", detail: details.join("; ") };
}

const allowedVolumes = [
  "configMap",
  "csi",
  "downwardAPI",
  "emptyDir",
  "ephemeral",
  "image",
  "persistentVolumeClaim",
  "projected",
  "secret",
];

function volumes({ spec }: Subject): Violation | null {
  const sourceOf = (volume: Volume) => Object.keys(volume).find((key) => key !== "name") ?? "unknown";
  const bad = (spec.volumes ?? []).filter((volume) => !allowedVolumes.includes(sourceOf(volume)));
  if (bad.length === 0) return null;
  const types = sortedSet(bad.map(sourceOf));
  const uses = bad.length === 1 ? "uses" : "use";
  const names = joinQuoted(bad.map((volume) => volume.name));
  const nouns = plural("restricted volume type", types.length);
  return {
    reason: "restricted volume types",
    detail: `${plural("volume", bad.length)} ${names} ${uses} ${nouns} ${joinQuoted(types)}`,
  };
}

function runAsNonRoot({ spec }: Subject): Violation | null {
  const podSays = spec.securityContext?.runAsNonRoot;
  const said = ({ securityContext }: Container) => securityContext?.runAsNonRoot;
  const roots = badContainers(spec, (container) => said(container) === false);
  const reason = "runAsNonRoot != true";
  if (podSays === false || roots.length > 0) {
    const setters = settersText(podSays === false, roots);
    return { reason, detail: `${setters} must not set securityContext.runAsNonRoot=false` };
  }
  const silent = podSays === true ? [] : badContainers(spec, (container) => said(container) === undefined);
  if (silent.length === 0) return null;
  return { reason, detail: `pod or ${containerText(silent)} must set securityContext.runAsNonRoot=true` };
}

function runAsUser({ spec }: Subject): Violation | null {
  const isPodBad = spec.securityContext?.runAsUser === 0;
  const names = badContainers(spec, ({ securityContext }) => securityContext?.runAsUser === 0);
  if (!isPodBad && names.length === 0) return null;
  return { reason: "runAsUser=0", detail: `${settersText(isPodBad, names)} must not set runAsUser=0` };
}

function seccompIsSet(subject: Subject): Violation | null {
  const bad = seccomp(subject);
  if (bad !== null) return bad;
  const { spec } = subject;
  if (isGoodSeccomp(spec.securityContext?.seccompProfile?.type)) return null;
  const silent = badContainers(spec, ({ securityContext }) => securityContext?.seccompProfile === undefined);
  if (silent.length === 0) return null;
  return {
    reason: "seccompProfile",
    detail: `pod or ${containerText(silent)} must set securityContext.seccompProfile.type to "RuntimeDefault" or ` +
      '"Localhost"',
  };
}
