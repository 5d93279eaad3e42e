import { ok } from "node:assert/strict";
import { type Prng, prng } from "../../base/prng.ts";
import { decodeTyped } from "../codec/typed.ts";
import type { KubeObject } from "../meta.ts";
import { resources } from "../resources.ts";
import { type FieldType, schemaOf } from "../schema.ts";
import { invalid } from "../status.ts";
import { rulesFor } from "./mod.ts";

const strings = ["", "a", "A b", "http", "None", "Always", "ClusterIP", "RollingUpdate", "1.2.3.4", "25%", "x/y", "-"];
const quantities = ["0", "1", "-1", "1500m", "1n", "3e6", "1Gi"];

/** A value of the type with fields left out at random, required ones too: whatever a client may send that decodes. */
function draw(random: Prng, type: FieldType, depth: number): unknown {
  switch (type.kind) {
    case "string":
      return strings[random.int(strings.length)];
    case "bool":
      return random.int(2) === 0;
    case "int32":
    case "int64":
      return [0, 1, -1, 80, 70_000][random.int(5)];
    case "double":
      return random.next();
    case "bytes":
      return "YQ==";
    case "time":
    case "microtime":
      return "2023-11-14T22:13:20Z";
    case "quantity":
      return quantities[random.int(quantities.length)];
    case "int-or-string":
      return random.int(2) === 0 ? random.int(100) : strings[random.int(strings.length)];
    case "any":
      return { a: [1] };
    case "list":
      return Array.from({ length: random.int(3) }, () => draw(random, type.of, depth + 1));
    case "map":
      return Object.fromEntries(
        Array.from(
          { length: random.int(3) },
          () => [["a", "cpu", "x/y", "", "__proto__"][random.int(5)], draw(random, type.of, depth + 1)],
        ),
      );
    case "ref":
      return drawStruct(random, type.type, depth + 1);
  }
}

function drawStruct(random: Prng, type: string, depth: number): Record<string, unknown> {
  const object: Record<string, unknown> = {};
  if (depth > 9) return object;
  for (const field of schemaOf(type).fields.values()) {
    if (field.name === "apiVersion" || field.name === "kind") continue;
    if (random.int(depth < 3 ? 4 : 2) === 0) continue;
    object[field.name] = draw(random, field.type, depth);
  }
  return object;
}

Deno.test("rules never throw for anything that decodes: 80 random objects of each kind, with random updates", () => {
  const random = prng(99);
  const context = { now: 0, allowLoopbackEndpoints: false };
  let refused = 0;
  let objects = 0;
  for (const info of resources) {
    const rules = rulesFor(info);
    for (let round = 0; round < 80; round++) {
      const decode = () => decodeTyped(drawStruct(random, info.type, 0), info.type).object as KubeObject;
      const old = decode();
      rules.setDefaults(old);
      rules.prepareForCreate(old, context);
      const errors = rules.validate(old, context);
      const next = decode();
      rules.setDefaults(next);
      rules.prepareForUpdate(next, old, context);
      errors.push(...rules.validateUpdate(next, old, context));
      const status = decode();
      rules.prepareForStatusUpdate(status, old, context);
      errors.push(...rules.validateStatusUpdate(status, old, context));
      objects++;
      if (errors.length > 0) refused++;
      // Every error makes a message.
      ok(invalid(info, "n", errors).message.length > 0);
    }
  }
  ok(refused > objects / 2, `${refused} of ${objects} refused`);
});
