import { dig, items, type Json, record, text, texts } from "../dig.ts";
import { age, firstFew, isGoing, nameOf, orElse } from "./cells.ts";
import { columns, type Printer } from "./columns.ts";

const shortModes: Readonly<Record<string, string>> = {
  ReadOnlyMany: "ROX",
  ReadWriteMany: "RWX",
  ReadWriteOnce: "RWO",
  ReadWriteOncePod: "RWOP",
};

/** `RWO,RWX`: each once, in upstream's order. */
function accessModes(modes: unknown): string {
  const given = new Set(texts(modes));
  return ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany", "ReadWriteOncePod"]
    .filter((mode) => given.has(mode)).map((mode) => shortModes[mode] ?? mode).join(",");
}

const volumePrinter: Printer = {
  columns: columns(
    "Name",
    "Capacity",
    "Access Modes",
    "Reclaim Policy",
    "Status",
    "Claim",
    "StorageClass",
    "VolumeAttributesClass",
    "Reason",
    "Age",
    "VolumeMode*",
  ),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const claim = record(spec["claimRef"]);
    return [
      nameOf(it),
      text(dig(spec, "capacity", "storage")),
      accessModes(spec["accessModes"]),
      text(spec["persistentVolumeReclaimPolicy"]),
      isGoing(it) ? "Terminating" : text(dig(it, "status", "phase")),
      claim["name"] === undefined ? "" : `${text(claim["namespace"])}/${text(claim["name"])}`,
      text(spec["storageClassName"]),
      orElse(spec["volumeAttributesClassName"], "<unset>"),
      text(dig(it, "status", "reason")),
      age(it, now),
      orElse(spec["volumeMode"], "<unset>"),
    ];
  },
};

const claimPrinter: Printer = {
  columns: columns(
    "Name",
    "Status",
    "Volume",
    "Capacity",
    "Access Modes",
    "StorageClass",
    "VolumeAttributesClass",
    "Age",
    "VolumeMode*",
  ),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const volume = text(spec["volumeName"]);
    return [
      nameOf(it),
      isGoing(it) ? "Terminating" : text(dig(it, "status", "phase")),
      volume,
      volume === "" ? "" : text(dig(it, "status", "capacity", "storage")),
      volume === "" ? "" : accessModes(dig(it, "status", "accessModes")),
      text(spec["storageClassName"]),
      orElse(spec["volumeAttributesClassName"], "<unset>"),
      age(it, now),
      orElse(spec["volumeMode"], "<unset>"),
    ];
  },
};

function isDefaultClass(object: Json): boolean {
  const annotations = record(dig(object, "metadata", "annotations"));
  return annotations["storageclass.kubernetes.io/is-default-class"] === "true" ||
    annotations["storageclass.beta.kubernetes.io/is-default-class"] === "true";
}

const storageClassPrinter: Printer = {
  columns: columns("Name", "Provisioner", "ReclaimPolicy", "VolumeBindingMode", "AllowVolumeExpansion", "Age"),
  cells: (it, now) => [
    `${nameOf(it)}${isDefaultClass(it) ? " (default)" : ""}`,
    text(it["provisioner"]),
    orElse(it["reclaimPolicy"], "Delete"),
    orElse(it["volumeBindingMode"], "Immediate"),
    it["allowVolumeExpansion"] === true,
    age(it, now),
  ],
};

const attributesClassPrinter: Printer = {
  columns: columns("Name", "DriverName", "Age"),
  cells: (it, now) => [nameOf(it), text(it["driverName"]), age(it, now)],
};

const attachmentPrinter: Printer = {
  columns: columns("Name", "Attacher", "PV", "Node", "Attached?", "Age"),
  cells: (it, now) => [
    nameOf(it),
    text(dig(it, "spec", "attacher")),
    text(dig(it, "spec", "source", "persistentVolumeName")),
    text(dig(it, "spec", "nodeName")),
    dig(it, "status", "attached") === true,
    age(it, now),
  ],
};

const csiNodePrinter: Printer = {
  columns: columns("Name", "Drivers#", "Age"),
  cells: (it, now) => [nameOf(it), items(dig(it, "spec", "drivers")).length, age(it, now)],
};

const csiDriverPrinter: Printer = {
  columns: columns(
    "Name",
    "AttachRequired?",
    "PodInfoOnMount?",
    "StorageCapacity?",
    "TokenRequests",
    "RequiresRepublish?",
    "Modes",
    "Age",
  ),
  cells: (it, now) => {
    const spec = record(it["spec"]);
    const audiences = items(spec["tokenRequests"]).map((request) => text(dig(request, "audience")));
    return [
      nameOf(it),
      spec["attachRequired"] !== false,
      spec["podInfoOnMount"] === true,
      spec["storageCapacity"] === true,
      firstFew(audiences, audiences.length),
      spec["requiresRepublish"] === true,
      texts(spec["volumeLifecycleModes"]).join(",") || "<none>",
      age(it, now),
    ];
  },
};

const capacityPrinter: Printer = {
  columns: columns("Name", "StorageClassName", "Capacity"),
  cells: (it) => [nameOf(it), text(it["storageClassName"]), orElse(it["capacity"], "<unset>")],
};

export const storagePrinters: Readonly<Record<string, Printer>> = {
  csidrivers: csiDriverPrinter,
  csinodes: csiNodePrinter,
  csistoragecapacities: capacityPrinter,
  persistentvolumeclaims: claimPrinter,
  persistentvolumes: volumePrinter,
  storageclasses: storageClassPrinter,
  volumeattachments: attachmentPrinter,
  volumeattributesclasses: attributesClassPrinter,
};
