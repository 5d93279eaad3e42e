import { type FieldError, fieldErrorText, forbidden, invalid, required } from "./field_errors.ts";
import type { LabelSelector } from "./gen/types.ts";
import { compareStrings } from "./go_text.ts";
import { labelValue, qualifiedName } from "./names.ts";

export type SelectorOperator = "=" | "==" | "!=" | "in" | "notin" | "exists" | "!" | "gt" | "lt";

/** One condition on the label `key`. */
export interface Requirement {
  readonly key: string;
  readonly operator: SelectorOperator;
  /** Sorted, without repetition. */
  readonly values: readonly string[];
}

/** All requirements must hold; an empty list matches everything. */
export type Selector = readonly Requirement[];

export type Labels = Readonly<Record<string, string>>;

/** A selector text that cannot be read; the message is upstream's. The apiserver answers 400 with it. */
export class SelectorError extends Error {
  override readonly name = "SelectorError";
}

/** Selectors come in URLs and objects: more than this many requirements or values is refused. */
const requirementsMax = 4096;
const operatorList = "in, notin, =, ==, !=, gt, lt";

type Token =
  | { readonly kind: "identifier" | "symbol" | "keyword"; readonly text: string }
  | { readonly kind: "end" | "bad"; readonly text: string };

/** Splits as upstream's lexer does: runs of `= ! ( ) , > <` are read greedily into the longest known symbol. */
function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const symbols = new Set([")", ",", "!", "==", "=", ">", "<", "!=", "("]);
  let i = 0;
  while (i < text.length) {
    const char = text[i] as string;
    if (" \t\r\n".includes(char)) {
      i++;
    } else if ("=!(),><".includes(char)) {
      const two = text.slice(i, i + 2);
      const symbol = two.length === 2 && symbols.has(two) ? two : char;
      tokens.push({ kind: "symbol", text: symbol });
      i += symbol.length;
    } else {
      let end = i;
      while (end < text.length && !" \t\r\n=!(),><".includes(text[end] as string)) end++;
      const word = text.slice(i, end);
      tokens.push({ kind: word === "in" || word === "notin" ? "keyword" : "identifier", text: word });
      i = end;
    }
  }
  tokens.push({ kind: "end", text: "" });
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(text: string) {
    this.#tokens = tokenize(text);
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#at, this.#tokens.length - 1)] as Token;
  }

  #take(): Token {
    const token = this.#peek();
    this.#at++;
    return token;
  }

  /** `in` and `notin` are ordinary words wherever an operator cannot stand. */
  #isWord(token: Token): boolean {
    return token.kind === "identifier" || token.kind === "keyword";
  }

  #is(token: Token, symbol: string): boolean {
    return token.kind === "symbol" && token.text === symbol;
  }

  parse(): Requirement[] {
    const requirements: Requirement[] = [];
    for (;;) {
      const token = this.#peek();
      if (token.kind === "end") return requirements;
      if (!this.#isWord(token) && !this.#is(token, "!")) {
        throw new SelectorError(`found '${token.text}', expected: !, identifier, or 'end of string'`);
      }
      requirements.push(this.#requirement());
      if (requirements.length > requirementsMax) throw new SelectorError("too many requirements");
      const next = this.#take();
      if (next.kind === "end") return requirements;
      if (!this.#is(next, ",")) {
        throw new SelectorError(`found '${next.text}', expected: ',' or 'end of string'`);
      }
      const after = this.#peek();
      if (!this.#isWord(after) && !this.#is(after, "!")) {
        throw new SelectorError(`found '${after.text}', expected: identifier after ','`);
      }
    }
  }

  #fail(message: string): never {
    throw new SelectorError(`unable to parse requirement: ${message}`);
  }

  #requirement(): Requirement {
    let token = this.#take();
    const negated = this.#is(token, "!");
    if (negated) token = this.#take();
    if (!this.#isWord(token)) this.#fail(`found '${token.text}', expected: identifier`);
    const key = token.text;
    const problems = qualifiedName(key);
    if (problems.length > 0) this.#fail(fieldErrorText(invalid("<nil>", key, problems.join("; "))));
    const next = this.#peek();
    if (negated || next.kind === "end" || this.#is(next, ",")) {
      return { key, operator: negated ? "!" : "exists", values: [] };
    }
    const operator = this.#operator();
    const values = operator === "in" || operator === "notin" ? this.#values() : [this.#exactValue()];
    return this.#checked({ key, operator, values: [...new Set(values)].sort(compareStrings) });
  }

  #checked(requirement: Requirement): Requirement {
    const errors = requirementErrors(requirement, "values");
    if (errors.length > 0) {
      const texts = errors.map(fieldErrorText);
      this.#fail(texts.length === 1 ? (texts[0] as string) : `[${texts.join(", ")}]`);
    }
    return requirement;
  }

  #operator(): SelectorOperator {
    const token = this.#take();
    if (token.kind === "keyword") return token.text as "in" | "notin";
    if (token.kind === "symbol") {
      switch (token.text) {
        case "=":
        case "==":
        case "!=":
          return token.text;
        case ">":
          return "gt";
        case "<":
          return "lt";
      }
    }
    return this.#fail(`found '${token.text}', expected: ${operatorList}`);
  }

  #exactValue(): string {
    const token = this.#peek();
    if (token.kind === "end" || this.#is(token, ",")) return "";
    this.#take();
    if (!this.#isWord(token)) this.#fail(`found '${token.text}', expected: identifier`);
    return token.text;
  }

  #values(): string[] {
    const open = this.#take();
    if (!this.#is(open, "(")) this.#fail(`found '${open.text}' expected: '('`);
    const values: string[] = [];
    let expectValue = true;
    for (;;) {
      const token = this.#take();
      if (this.#is(token, ")")) {
        if (expectValue) values.push("");
        return values;
      }
      if (this.#is(token, ",")) {
        // An empty place, as in "(,a)" or "(a,,b)", stands for the empty value.
        if (expectValue) values.push("");
        expectValue = true;
      } else if (this.#isWord(token) && expectValue) {
        values.push(token.text);
        expectValue = false;
      } else {
        this.#fail(`found '${token.text}', expected: ${expectValue ? "',', or identifier" : "',' or ')'"}`);
      }
      if (values.length > requirementsMax) this.#fail("too many values");
    }
  }
}

/** What is wrong with a requirement's values for its operator. @param path the values' path, e.g. `values` */
function requirementErrors(requirement: Requirement, path: string): FieldError[] {
  const { key, operator, values } = requirement;
  const errors: FieldError[] = [];
  if (operator === "gt" || operator === "lt") {
    for (const [i, value] of values.entries()) {
      if (parseInt64(value) === undefined) {
        errors.push(invalid(`${path}[${i}]`, value, "for 'Gt', 'Lt' operators, the value must be an integer"));
      }
    }
  }
  for (const [i, value] of values.entries()) {
    const problems = labelValue(value);
    if (problems.length > 0) errors.push(invalid(`${path}[${i}][${key}]`, value, problems.join("; ")));
  }
  return errors;
}

function parseInt64(text: string): bigint | undefined {
  if (!/^[+-]?[0-9]{1,19}$/.test(text)) return undefined;
  const value = BigInt(text.startsWith("+") ? text.slice(1) : text);
  return value >= -(2n ** 63n) && value < 2n ** 63n ? value : undefined;
}

/** Reads `a=b,c!=d,e in (f,g),!h,i>1`. @throws SelectorError */
export function parseSelector(text: string): Selector {
  return new Parser(text).parse().sort((a, b) => compareStrings(a.key, b.key));
}

/** The label's own value; never one inherited from Object.prototype. */
function valueOf(labels: Labels | undefined, key: string): string | undefined {
  return labels !== undefined && Object.hasOwn(labels, key) ? labels[key] : undefined;
}

function matchesRequirement(requirement: Requirement, labels: Labels | undefined): boolean {
  const value = valueOf(labels, requirement.key);
  switch (requirement.operator) {
    case "=":
    case "==":
    case "in":
      return value !== undefined && requirement.values.includes(value);
    case "!=":
    case "notin":
      return value === undefined || !requirement.values.includes(value);
    case "exists":
      return value !== undefined;
    case "!":
      return value === undefined;
    case "gt":
    case "lt": {
      const have = value === undefined ? undefined : parseInt64(value);
      const want = parseInt64(requirement.values[0] ?? "");
      if (have === undefined || want === undefined) return false;
      return requirement.operator === "gt" ? have > want : have < want;
    }
  }
}

/** Whether every requirement holds for these labels. */
export function matchesSelector(selector: Selector, labels: Labels | undefined): boolean {
  for (const requirement of selector) if (!matchesRequirement(requirement, labels)) return false;
  return true;
}

/** The selector's text, which {@linkcode parseSelector} reads back. */
export function formatSelector(selector: Selector): string {
  return selector.map(formatRequirement).join(",");
}

function formatRequirement({ key, operator, values }: Requirement): string {
  switch (operator) {
    case "exists":
      return key;
    case "!":
      return `!${key}`;
    case "in":
    case "notin":
      return `${key} ${operator} (${values.join(",")})`;
    case "gt":
      return `${key}>${values[0]}`;
    case "lt":
      return `${key}<${values[0]}`;
    default:
      return `${key}${operator}${values[0] ?? ""}`;
  }
}

/** Equality requirements from a plain map, such as a Service's selector. An empty map matches everything. */
export function selectorFromLabels(labels: Labels | undefined): Selector {
  return Object.entries(labels ?? {})
    .map(([key, value]): Requirement => ({ key, operator: "=", values: [value] }))
    .sort((a, b) => compareStrings(a.key, b.key));
}

/**
 * The selector of a LabelSelector object. Undefined stands for "matches nothing", which is what an absent one means;
 * an empty one matches everything. @throws SelectorError for an operator that does not exist
 */
export function selectorFromObject(object: LabelSelector | undefined): Selector | undefined {
  if (object === undefined) return undefined;
  const requirements: Requirement[] = [...selectorFromLabels(object.matchLabels)];
  for (const expression of object.matchExpressions ?? []) {
    const operator = operatorFromObject(expression.operator);
    if (operator === undefined) {
      throw new SelectorError(`"${expression.operator}" is not a valid label selector operator`);
    }
    const values = [...new Set(expression.values ?? [])].sort(compareStrings);
    requirements.push({ key: expression.key, operator, values });
  }
  return requirements.sort((a, b) => compareStrings(a.key, b.key));
}

function operatorFromObject(operator: string): SelectorOperator | undefined {
  switch (operator) {
    case "In":
      return "in";
    case "NotIn":
      return "notin";
    case "Exists":
      return "exists";
    case "DoesNotExist":
      return "!";
    default:
      return undefined;
  }
}

/** Whether a LabelSelector object picks these labels. Absent selectors pick nothing. */
export function matchesLabelSelector(object: LabelSelector | undefined, labels: Labels | undefined): boolean {
  const selector = selectorFromObject(object);
  return selector !== undefined && matchesSelector(selector, labels);
}

/** Validates labels at `path`, e.g. `metadata.labels`. */
export function validateLabels(labels: Labels | undefined, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(labels ?? {})) {
    for (const problem of qualifiedName(key)) errors.push(invalid(path, key, problem));
    for (const problem of labelValue(value)) errors.push(invalid(path, value, problem));
  }
  return errors;
}

/** Validates a LabelSelector object at `path`. */
export function validateLabelSelector(selector: LabelSelector | undefined, path: string): FieldError[] {
  if (selector === undefined) return [];
  const errors = validateLabels(selector.matchLabels, `${path}.matchLabels`);
  for (const [i, expression] of (selector.matchExpressions ?? []).entries()) {
    const at = `${path}.matchExpressions[${i}]`;
    const count = expression.values?.length ?? 0;
    switch (expression.operator) {
      case "In":
      case "NotIn":
        if (count === 0) {
          errors.push(required(`${at}.values`, "must be specified when `operator` is 'In' or 'NotIn'"));
        }
        break;
      case "Exists":
      case "DoesNotExist":
        if (count > 0) {
          errors.push(forbidden(`${at}.values`, "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
        }
        break;
      default:
        errors.push(invalid(`${at}.operator`, expression.operator ?? "", "not a valid selector operator"));
    }
    for (const problem of qualifiedName(expression.key ?? "")) {
      errors.push(invalid(`${at}.key`, expression.key, problem));
    }
    for (const [j, value] of (expression.values ?? []).entries()) {
      for (const problem of labelValue(value)) errors.push(invalid(`${at}.values[${j}]`, value, problem));
    }
  }
  return errors;
}
