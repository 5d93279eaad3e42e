/** Volumes of a pod and their mounts in a container. */
import { duplicate, type FieldError, forbidden, invalid, notFound, required } from "../field_errors.ts";
import type {
  Container,
  DownwardAPIVolumeFile,
  KeyToPath,
  Volume,
  VolumeMount,
  VolumeProjection,
} from "../gen/types.ts";
import { parseQuantity } from "../quantity.ts";
import { labelAt, localDescendingPath, localNonReservedPath, noBacksteps, optionalOneOf, unset } from "./common.ts";
import { validateFieldRef, validateResourceFieldRef } from "./env.ts";

const modeText = "must be a number between 0 and 0777 (octal), both inclusive";

export function validateVolumes(volumes: readonly Volume[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  for (const [i, volume] of volumes.entries()) {
    const at = `${path}[${i}]`;
    errors.push(...validateSource(volume, at));
    if (unset(volume.name)) errors.push(required(`${at}.name`));
    else errors.push(...labelAt(volume.name, `${at}.name`));
    if (names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name ?? ""));
    names.add(volume.name);
  }
  return errors;
}

function validateSource(volume: Volume, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const sources = Object.keys(volume).filter((key) => key !== "name");
  if (sources.length === 0) errors.push(required(path, "must specify a volume type"));
  for (const source of sources.slice(1)) {
    errors.push(forbidden(`${path}.${source}`, "may not specify more than 1 volume type"));
  }
  const sizeLimit = volume.emptyDir?.sizeLimit;
  if (sizeLimit !== undefined && parseQuantity(sizeLimit).nanos < 0n) {
    errors.push(forbidden(`${path}.emptyDir.sizeLimit`, "SizeLimit field must be a valid resource quantity"));
  }
  if (volume.hostPath !== undefined) {
    const at = `${path}.hostPath`;
    if (unset(volume.hostPath.path)) errors.push(required(`${at}.path`));
    else errors.push(...noBacksteps(volume.hostPath.path, `${at}.path`));
    errors.push(...optionalOneOf(volume.hostPath.type, `${at}.type`, hostPathTypes));
  }
  if (volume.configMap !== undefined) {
    if (unset(volume.configMap.name)) errors.push(required(`${path}.configMap.name`));
    errors.push(...validateMode(volume.configMap.defaultMode, `${path}.configMap.defaultMode`));
    errors.push(...validateItems(volume.configMap.items, `${path}.configMap.items`));
  }
  if (volume.secret !== undefined) {
    if (unset(volume.secret.secretName)) errors.push(required(`${path}.secret.secretName`));
    errors.push(...validateMode(volume.secret.defaultMode, `${path}.secret.defaultMode`));
    errors.push(...validateItems(volume.secret.items, `${path}.secret.items`));
  }
  if (volume.downwardAPI !== undefined) {
    errors.push(...validateMode(volume.downwardAPI.defaultMode, `${path}.downwardAPI.defaultMode`));
    errors.push(...validateDownward(volume.downwardAPI.items, `${path}.downwardAPI`));
  }
  if (volume.projected !== undefined) {
    errors.push(...validateMode(volume.projected.defaultMode, `${path}.projected.defaultMode`));
    for (const [i, source] of (volume.projected.sources ?? []).entries()) {
      errors.push(...validateProjection(source, `${path}.projected.sources[${i}]`));
    }
  }
  if (volume.persistentVolumeClaim !== undefined && unset(volume.persistentVolumeClaim.claimName)) {
    errors.push(required(`${path}.persistentVolumeClaim.claimName`));
  }
  if (volume.nfs !== undefined) {
    if (unset(volume.nfs.server)) errors.push(required(`${path}.nfs.server`));
    if (unset(volume.nfs.path)) errors.push(required(`${path}.nfs.path`));
    else if (!volume.nfs.path.startsWith("/")) {
      errors.push(invalid(`${path}.nfs.path`, volume.nfs.path, "must be an absolute path"));
    }
  }
  if (volume.csi !== undefined && unset(volume.csi.driver)) errors.push(required(`${path}.csi.driver`));
  return errors;
}

const hostPathTypes = [
  "",
  "BlockDevice",
  "CharDevice",
  "Directory",
  "DirectoryOrCreate",
  "File",
  "FileOrCreate",
  "Socket",
];

function validateMode(mode: number | undefined, path: string): FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777) ? [invalid(path, mode, modeText)] : [];
}

function validateItems(items: readonly KeyToPath[] | undefined, path: string): FieldError[] {
  return (items ?? []).flatMap((item, i) => {
    const at = `${path}[${i}]`;
    const errors = unset(item.key) ? [required(`${at}.key`)] : [];
    if (unset(item.path)) errors.push(required(`${at}.path`));
    else errors.push(...localNonReservedPath(item.path, `${at}.path`));
    return [...errors, ...validateMode(item.mode, `${at}.mode`)];
  });
}

function validateDownward(items: readonly DownwardAPIVolumeFile[] | undefined, path: string): FieldError[] {
  return (items ?? []).flatMap((item) => {
    const errors = unset(item.path) ? [required(`${path}.path`)] : localNonReservedPath(item.path, `${path}.path`);
    if (item.fieldRef !== undefined) {
      errors.push(...validateFieldRef(item.fieldRef, "volume", `${path}.fieldRef`));
      if (item.resourceFieldRef !== undefined) {
        errors.push(invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"));
      }
    } else if (item.resourceFieldRef !== undefined) {
      errors.push(...validateResourceFieldRef(item.resourceFieldRef, true, `${path}.resourceFieldRef`));
    } else {
      errors.push(required(path, "one of fieldRef and resourceFieldRef is required"));
    }
    return [...errors, ...validateMode(item.mode, `${path}.mode`)];
  });
}

function validateProjection(source: VolumeProjection, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const kinds = Object.keys(source);
  if (kinds.length === 0) errors.push(required(path, "must specify a volume type"));
  for (const kind of kinds.slice(1)) {
    errors.push(forbidden(`${path}.${kind}`, "may not specify more than 1 volume type"));
  }
  for (const kind of ["configMap", "secret"] as const) {
    const reference = source[kind];
    if (reference === undefined) continue;
    if (unset(reference.name)) errors.push(required(`${path}.${kind}.name`));
    errors.push(...validateItems(reference.items, `${path}.${kind}.items`));
  }
  if (source.downwardAPI !== undefined) {
    errors.push(...validateDownward(source.downwardAPI.items, `${path}.downwardAPI`));
  }
  const token = source.serviceAccountToken;
  if (token !== undefined) {
    const at = `${path}.serviceAccountToken`;
    const seconds = token.expirationSeconds ?? 0;
    if (seconds < 600) {
      errors.push(invalid(`${at}.expirationSeconds`, seconds, "may not specify a duration less than 10 minutes"));
    }
    if (seconds > 2 ** 32) {
      errors.push(invalid(`${at}.expirationSeconds`, seconds, "may not specify a duration larger than 2^32 seconds"));
    }
    if (unset(token.path)) errors.push(required(`${at}.path`));
    else errors.push(...localNonReservedPath(token.path, `${at}.path`));
  }
  return errors;
}

/** @param volumes the pod's volumes by name */
export function validateMounts(
  container: Container,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
): FieldError[] {
  const errors: FieldError[] = [];
  const paths = new Set<string>();
  const devices = container.volumeDevices ?? [];
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${i}]`;
    if (unset(mount.name)) errors.push(required(`${at}.name`));
    if (!volumes.has(mount.name)) errors.push(notFound(`${at}.name`, mount.name ?? ""));
    if (unset(mount.mountPath)) errors.push(required(`${at}.mountPath`));
    if (paths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath ?? "", "must be unique"));
    paths.add(mount.mountPath);
    if (devices.some((device) => device.name === mount.name)) {
      errors.push(invalid(`${at}.name`, mount.name, "must not already exist in volumeDevices"));
    }
    if (devices.some((device) => device.devicePath === mount.mountPath)) {
      const text = "must not already exist as a path in volumeDevices";
      errors.push(invalid(`${at}.mountPath`, mount.mountPath, text));
    }
    errors.push(...validateSubPath(mount, at, path));
    errors.push(...validatePropagation(mount, container, path));
  }
  return errors;
}

/** Upstream names sub-paths without the mount's index. */
function validateSubPath(mount: VolumeMount, at: string, path: string): FieldError[] {
  const errors = unset(mount.subPath) ? [] : localDescendingPath(mount.subPath, `${path}.subPath`);
  if (!unset(mount.subPathExpr)) {
    if (!unset(mount.subPath)) {
      errors.push(invalid(`${at}.subPathExpr`, mount.subPathExpr, "subPathExpr and subPath are mutually exclusive"));
    }
    errors.push(...localDescendingPath(mount.subPathExpr, `${path}.subPathExpr`));
  }
  return errors;
}

function validatePropagation(mount: VolumeMount, container: Container, path: string): FieldError[] {
  const at = `${path}.mountPropagation`;
  const modes = ["Bidirectional", "HostToContainer", "None"];
  const errors = optionalOneOf(mount.mountPropagation, at, modes);
  if (mount.mountPropagation === "Bidirectional" && container.securityContext?.privileged !== true) {
    errors.push(forbidden(at, "Bidirectional mount propagation is available only to privileged containers"));
  }
  return errors;
}
