import type { FieldError } from "../field_errors.ts";
import type { KubeObject } from "../meta.ts";

/** What a rule may know beside the objects. */
export interface RuleContext {
  /** Unix time in milliseconds. */
  readonly now: number;
  /** Endpoints inside 127.0.0.0/8 are real here: the loopback network. Nowhere else. */
  readonly allowLoopbackEndpoints: boolean;
}

/** Rules of an update through a sub-resource. */
export interface ViewRules {
  /** Takes back everything that is not this sub-resource's, and counts the generation. */
  prepare(next: KubeObject, old: KubeObject): void;
  validate(next: KubeObject, old: KubeObject): FieldError[];
}

/**
 * Defaulting and validation of one kind, as pure functions. What is called `next` may be changed by the functions that
 * return nothing; `old` never is. Objects come out of the codec, so every field has its schema's type.
 *
 * A create runs setDefaults, prepareForCreate, (admission,) validate. An update runs setDefaults, prepareForUpdate,
 * (admission,) validateUpdate. An update of `/status` runs prepareForStatusUpdate, validateStatusUpdate.
 */
export interface Rules {
  setDefaults(object: KubeObject): void;
  /** Sets what only the server decides: an initial status, generation 1 where the kind counts generations. */
  prepareForCreate(object: KubeObject, context: RuleContext): void;
  /** Takes back what this path cannot change (status), and counts the generation. */
  prepareForUpdate(next: KubeObject, old: KubeObject, context: RuleContext): void;
  /** Takes back everything but status and harmless metadata. */
  prepareForStatusUpdate(next: KubeObject, old: KubeObject, context: RuleContext): void;
  /** For `/approval`, which CertificateSigningRequests alone have. */
  prepareForApproval?(next: KubeObject, old: KubeObject, context: RuleContext): void;
  validateApproval?(next: KubeObject, old: KubeObject, context: RuleContext): FieldError[];
  /** Sub-resources, by name, that change one part of the object. */
  readonly views?: Readonly<Record<string, ViewRules>>;
  validate(object: KubeObject, context: RuleContext): FieldError[];
  validateUpdate(next: KubeObject, old: KubeObject, context: RuleContext): FieldError[];
  validateStatusUpdate(next: KubeObject, old: KubeObject, context: RuleContext): FieldError[];
  /** metadata.generation counts changes of what is wanted. */
  readonly hasGeneration: boolean;
}
