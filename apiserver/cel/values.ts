import { type Quantity } from "../../api/quantity.ts";

/** CEL's uint. */
export class Uint {
  readonly value: bigint;
  constructor(value: bigint) {
    this.value = value;
  }
}

/** Nanoseconds. */
export class Duration {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

/** Nanoseconds since the epoch. */
export class Timestamp {
  readonly nanos: bigint;
  constructor(nanos: bigint) {
    this.nanos = nanos;
  }
}

export class Optional {
  /** Undefined: none. */
  readonly value: Value | undefined;
  constructor(value: Value | undefined) {
    this.value = value;
  }
}

export class TypeValue {
  readonly name: string;
  constructor(name: string) {
    this.name = name;
  }
}

/** Kubernetes's own types: opaque, with functions of their own. */
export class QuantityValue {
  readonly quantity: Quantity;
  constructor(quantity: Quantity) {
    this.quantity = quantity;
  }
}

export class UrlValue {
  readonly text: string;
  readonly url: URL;
  constructor(text: string, url: URL) {
    this.text = text;
    this.url = url;
  }
}

/** Address bits as a number, with the family's width. */
export class IpValue {
  readonly bits: bigint;
  readonly width: 32 | 128;
  constructor(bits: bigint, width: 32 | 128) {
    this.bits = bits;
    this.width = width;
  }
}

export class CidrValue {
  readonly address: IpValue;
  readonly prefix: number;
  constructor(address: IpValue, prefix: number) {
    this.address = address;
    this.prefix = prefix;
  }
}

/** An object or a patch that an expression makes: `Object.spec{replicas: 3}`. */
export class Message {
  readonly type: string;
  readonly fields: ReadonlyMap<string, Value>;
  constructor(type: string, fields: ReadonlyMap<string, Value>) {
    this.type = type;
    this.fields = fields;
  }
}

/** A question to the authorizer on its way from `authorizer` to a decision. */
export type Question =
  | { readonly kind: "authorizer"; readonly ask: Ask; readonly own: AskedResource }
  | { readonly kind: "path"; readonly ask: Ask; readonly path: string }
  | { readonly kind: "group"; readonly ask: Ask; readonly group: string }
  | { readonly kind: "resource"; readonly ask: Ask; readonly of: AskedResource }
  | { readonly kind: "decision"; readonly allowed: boolean; readonly reason: string };

export interface AskedResource {
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly namespace: string;
  readonly name: string;
}

export type Ask = (
  verb: string,
  about: AskedResource | string,
) => { readonly allowed: boolean; readonly reason: string };

export class AuthorizerValue {
  readonly question: Question;
  constructor(question: Question) {
    this.question = question;
  }
}

export type Key = string | bigint | boolean;
export type CelMap = ReadonlyMap<Key, Value>;

/** A CEL value: bigint is int, number is double, Map is a map or an object. */
export type Value =
  | null
  | boolean
  | bigint
  | number
  | string
  | Uint8Array
  | Uint
  | Duration
  | Timestamp
  | Optional
  | TypeValue
  | QuantityValue
  | UrlValue
  | IpValue
  | CidrValue
  | Message
  | AuthorizerValue
  | readonly Value[]
  | CelMap;

/** What an expression failed of; the message is cel-go's. */
export class CelError extends Error {
  override readonly name = "CelError";
}

/** The expression would cost more than it may. */
export class BudgetError extends CelError {
  constructor() {
    super("operation cancelled: actual cost limit exceeded");
  }
}

export function isList(value: unknown): value is readonly Value[] {
  return Array.isArray(value);
}

export function isMap(value: unknown): value is CelMap {
  return value instanceof Map;
}

/** The name of a value's type, as `type()` gives it. */
export function typeName(value: Value): string {
  if (value === null) return "null_type";
  switch (typeof value) {
    case "boolean":
      return "bool";
    case "bigint":
      return "int";
    case "number":
      return "double";
    case "string":
      return "string";
  }
  if (isList(value)) return "list";
  if (isMap(value)) return "map";
  if (value instanceof Uint8Array) return "bytes";
  if (value instanceof Uint) return "uint";
  if (value instanceof Duration) return "google.protobuf.Duration";
  if (value instanceof Timestamp) return "google.protobuf.Timestamp";
  if (value instanceof Optional) return "optional_type";
  if (value instanceof TypeValue) return "type";
  if (value instanceof QuantityValue) return "kubernetes.Quantity";
  if (value instanceof UrlValue) return "kubernetes.URL";
  if (value instanceof Message) return value.type;
  if (value instanceof AuthorizerValue) return questionTypes[value.question.kind];
  return value instanceof IpValue ? "net.IP" : "net.CIDR";
}

const questionTypes: Readonly<Record<Question["kind"], string>> = {
  authorizer: "kubernetes.authorization.Authorizer",
  path: "kubernetes.authorization.PathCheck",
  group: "kubernetes.authorization.GroupCheck",
  resource: "kubernetes.authorization.ResourceCheck",
  decision: "kubernetes.authorization.Decision",
};

/** A JSON value: whole numbers are ints, as Go's decoder makes them. */
export function fromJson(value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === "number") return Number.isInteger(value) ? BigInt(value) : value;
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  if (Array.isArray(value)) return value.map(fromJson);
  return new Map(Object.entries(value).filter(([, it]) => it !== undefined).map(([key, it]) => [key, fromJson(it)]));
}

/** The other way, for patches and annotations that expressions make. @throws CelError for what JSON cannot say */
export function toJson(value: Value): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean" || typeof value === "number") {
    return value;
  }
  if (typeof value === "bigint") return Number(value);
  if (value instanceof Uint) return Number(value.value);
  if (isList(value)) return value.map(toJson);
  if (value instanceof Message) return toJson(value.fields);
  if (!isMap(value)) throw new CelError(`unsupported conversion of ${typeName(value)} to JSON`);
  const object: Record<string, unknown> = Object.create(null);
  for (const [key, it] of value) object[String(key)] = toJson(it);
  return object;
}

function numeric(value: Value): number | bigint | undefined {
  if (typeof value === "bigint" || typeof value === "number") return value;
  return value instanceof Uint ? value.value : undefined;
}

/** CEL's `==`: numbers of different types are compared by what they are worth. */
export function equals(a: Value, b: Value): boolean {
  const left = numeric(a);
  const right = numeric(b);
  // deno-lint-ignore eqeqeq -- the one place where 1n and 1 are to be equal
  if (left !== undefined && right !== undefined) return left == right;
  if (a === b) return true;
  if (isList(a) && isList(b)) return a.length === b.length && a.every((item, i) => equals(item, b[i] ?? null));
  if (isMap(a) && isMap(b)) {
    if (a.size !== b.size) return false;
    for (const [key, value] of a) {
      const other = b.get(key);
      if (other === undefined || !equals(value, other)) return false;
    }
    return true;
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return a.length === b.length && a.every((byte, i) => byte === b[i]);
  }
  if (a instanceof Optional && b instanceof Optional) {
    return a.value === undefined || b.value === undefined ? a.value === b.value : equals(a.value, b.value);
  }
  if (a instanceof TypeValue && b instanceof TypeValue) return a.name === b.name;
  if (a instanceof UrlValue && b instanceof UrlValue) return a.text === b.text;
  if (a instanceof IpValue && b instanceof IpValue) return a.bits === b.bits && a.width === b.width;
  if (a instanceof CidrValue && b instanceof CidrValue) return a.prefix === b.prefix && equals(a.address, b.address);
  const order = compareOrUndefined(a, b);
  return order === 0;
}

function compareOrUndefined(a: Value, b: Value): number | undefined {
  const left = orderOf(a);
  const right = orderOf(b);
  if (left === undefined || right === undefined || left.kind !== right.kind) return undefined;
  return left.value < right.value ? -1 : left.value > right.value ? 1 : 0;
}

function orderOf(value: Value): { kind: string; value: bigint | number | string | boolean } | undefined {
  const number = numeric(value);
  if (number !== undefined) return { kind: "number", value: number };
  if (typeof value === "string" || typeof value === "boolean") return { kind: typeof value, value };
  if (value instanceof Duration || value instanceof Timestamp) return { kind: typeName(value), value: value.nanos };
  return undefined;
}

/** `<` and its kin. @throws CelError where there is no order */
export function compare(a: Value, b: Value): number {
  const order = compareOrUndefined(a, b);
  if (order === undefined) throw new CelError("no such overload");
  return order;
}
