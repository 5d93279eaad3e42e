import type { CustomResourceDefinition } from "../../api/gen/types.ts";
import type { FieldError } from "../../api/field_errors.ts";
import { distinct } from "../../api/rules/mod.ts";
import type { KubeObject } from "../../api/meta.ts";
import type { Clock } from "../../platform/mod.ts";
import type { Strategy } from "../registry/strategy.ts";
import { beginDeletion } from "./clean_up.ts";
import { loadParser } from "../cel/parse.ts";
import type { RuleEngine } from "./rules.ts";
import { loadPatterns } from "./patterns.ts";
import { validateDefinition, validateDefinitionUpdate } from "./validate_definition.ts";

// The codec has checked the object against the schema of definitions.
const asDefinition = (object: KubeObject): CustomResourceDefinition => object as CustomResourceDefinition;

/** Definitions: what is common to all kinds, with what only they have to be checked for. */
export function definitionStrategy(base: Strategy, clock: Clock): Strategy {
  let engine: RuleEngine | null = null;
  const ready = () => {
    if (engine === null) throw new Error("definitions are validated before their expressions can be");
    return engine;
  };
  return {
    ...base,
    prepare: async () => void (engine ??= { patterns: await loadPatterns(), parse: await loadParser() }),
    prepareForDelete: (object) => beginDeletion(asDefinition(object), clock.now()),
    prepareForUpdate(object, old) {
      base.prepareForUpdate(object, old);
      rememberStorage(asDefinition(object));
    },
    validateCreate: (object) => {
      const errors = base.validateCreate(object);
      if (isIncomplete(errors)) return errors;
      return [...errors, ...validateDefinition(asDefinition(object), ready())].filter(distinct);
    },
    validateUpdate: (object, old) => {
      const errors = base.validateUpdate(object, old);
      if (isIncomplete(errors)) return errors;
      return [...errors, ...validateDefinitionUpdate(asDefinition(object), asDefinition(old), ready())].filter(
        distinct,
      );
    },
  };
}

/** What lacks required fields cannot be read as a definition any further. */
function isIncomplete(errors: readonly FieldError[]): boolean {
  return errors.some((error) => error.reason === "FieldValueRequired");
}

/** A version that objects are stored in from now on stays listed until someone has migrated them. */
function rememberStorage(definition: CustomResourceDefinition): void {
  const storage = definition.spec.versions.find((version) => version.storage)?.name;
  const status = definition.status ?? {};
  const stored = status.storedVersions ?? [];
  if (storage === undefined || stored.includes(storage)) return;
  definition.status = { ...status, storedVersions: [...stored, storage] };
}
