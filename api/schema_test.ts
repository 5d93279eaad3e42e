import { deepEqual, equal, ok } from "node:assert/strict";
import { resources } from "./resources.ts";
import { elementType, findSchema, schemaOf, typeAt, typeNames } from "./schema.ts";

Deno.test("schemaOf() parses every type of the table, and every reference leads to a type", () => {
  let fields = 0;
  for (const name of typeNames()) {
    for (const field of schemaOf(name).fields.values()) {
      fields++;
      const inner = elementType(field.type);
      if (inner.kind === "ref") ok(findSchema(inner.type) !== undefined, `${name}.${field.name} -> ${inner.type}`);
    }
  }
  ok(fields > 3000);
});

Deno.test("schemaOf() knows every served resource under its group, version and kind", () => {
  for (const info of resources) {
    const gvks = schemaOf(info.type).gvks;
    ok(gvks.some((g) => g.group === info.group && g.version === info.version && g.kind === info.kind), info.type);
  }
});

Deno.test("schemaOf() gives the strategic-merge facts of a container's ports", () => {
  const container = typeAt("io.k8s.api.core.v1.Pod", "spec", "containers");
  equal(container?.name, "io.k8s.api.core.v1.Container");
  deepEqual(container?.fields.get("ports"), {
    name: "ports",
    type: { kind: "list", of: { kind: "ref", type: "io.k8s.api.core.v1.ContainerPort" } },
    required: false,
    patchStrategies: ["merge"],
    pb: 6,
    listType: "map",
    listKeys: ["containerPort", "protocol"],
    mergeKey: "containerPort",
  });
  equal(findSchema("constructor"), undefined);
});
