import { deepEqual, equal, throws } from "node:assert/strict";
import { prng } from "../base/prng.ts";
import { matchesFields, parseFieldSelector, requiredValue } from "./fields.ts";
import {
  formatSelector,
  matchesLabelSelector,
  matchesSelector,
  parseSelector,
  type Requirement,
  selectorFromObject,
  validateLabels,
  validateLabelSelector,
} from "./labels.ts";

Deno.test("parseSelector() reads every form that upstream reads", () => {
  const cases: [string, string][] = [
    ["", ""],
    ["a=b", "a=b"],
    ["a == b , c!=d", "a==b,c!=d"],
    ["x in (foo,,baz),y,z notin ()", "x in (,baz,foo),y,z notin ()"],
    ["!a,example.com/b", "!a,example.com/b"],
    ["a=", "a="],
    ["a>1,b<2", "a>1,b<2"],
    ["in in (in),notin=in", "in in (in),notin=in"],
    ["a in (,)", "a in ()"],
  ];
  for (const [text, want] of cases) equal(formatSelector(parseSelector(text)), want, text);
});

Deno.test("parseSelector() refuses the rest in upstream's words", () => {
  const cases: [string, string | RegExp][] = [
    ["a,,b", "found ',', expected: identifier after ','"],
    ["a=b,", "found '', expected: identifier after ','"],
    ["a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"],
    ["a in b", "unable to parse requirement: found 'b' expected: '('"],
    ["=a", "found '=', expected: !, identifier, or 'end of string'"],
    ["a=b=c", "found '=', expected: ',' or 'end of string'"],
    [
      "a>b",
      "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the value must be an integer",
    ],
    ["a_=b", /^unable to parse requirement: <nil>: Invalid value: "a_": name part must consist of/],
    ["a=b$", /^unable to parse requirement: values\[0\]\[a\]: Invalid value: "b\$": a valid label must be/],
  ];
  for (const [text, message] of cases) throws(() => parseSelector(text), { name: "SelectorError", message }, text);
});

Deno.test("matchesSelector() agrees with a plain reading of random selectors, also after a round trip as text", () => {
  const random = prng(5);
  const keys = ["a", "b", "constructor", "x.io/y"];
  const values = ["", "1", "2", "v"];
  for (let round = 0; round < 2000; round++) {
    const labels: Record<string, string> = {};
    for (const key of keys) if (random.int(2) === 0) labels[key] = values[random.int(4)] as string;
    const key = keys[random.int(4)] as string;
    const picked = values.filter(() => random.int(2) === 0);
    const operators = ["in", "notin", "exists", "!"] as const;
    const operator = operators[random.int(4)] as (typeof operators)[number];
    if ((operator === "in" || operator === "notin") && picked.length === 0) continue;
    const requirement: Requirement = {
      key,
      operator,
      values: operator.length > 1 && operator !== "exists" ? picked : [],
    };
    const value = Object.hasOwn(labels, key) ? labels[key] as string : undefined;
    const want = operator === "in"
      ? value !== undefined && picked.includes(value)
      : operator === "notin"
      ? value === undefined || !picked.includes(value)
      : (value !== undefined) === (operator === "exists");
    equal(matchesSelector([requirement], labels), want);
    equal(matchesSelector(parseSelector(formatSelector([requirement])), labels), want, formatSelector([requirement]));
  }
});

Deno.test("matchesLabelSelector() picks nothing when absent, everything when empty", () => {
  equal(matchesLabelSelector(undefined, { a: "b" }), false);
  equal(matchesLabelSelector({}, undefined), true);
  const selector = { matchLabels: { a: "b" }, matchExpressions: [{ key: "c", operator: "NotIn", values: ["d"] }] };
  equal(matchesLabelSelector(selector, { a: "b" }), true);
  equal(matchesLabelSelector(selector, { a: "b", c: "d" }), false);
  throws(() => selectorFromObject({ matchExpressions: [{ key: "a", operator: "Is" }] }), {
    message: '"Is" is not a valid label selector operator',
  });
});

Deno.test("validateLabels() and validateLabelSelector() name the path and use upstream's words", () => {
  deepEqual(validateLabels({ "a b": "c" }, "metadata.labels").map((e) => [e.reason, e.field]), [
    ["FieldValueInvalid", "metadata.labels"],
  ]);
  deepEqual(validateLabelSelector({ matchExpressions: [{ key: "a", operator: "In" }] }, "spec.selector"), [{
    reason: "FieldValueRequired",
    field: "spec.selector.matchExpressions[0].values",
    message: "Required value: must be specified when `operator` is 'In' or 'NotIn'",
  }]);
});

Deno.test("parseFieldSelector() and matchesFields() read =, == and !=", () => {
  const selector = parseFieldSelector("spec.nodeName=n1,status.phase!=Failed,,a==b");
  const fields: Record<string, string> = { "spec.nodeName": "n1", "status.phase": "Running", a: "b" };
  equal(matchesFields(selector, (field) => fields[field] ?? ""), true);
  equal(matchesFields(selector, (field) => field === "status.phase" ? "Failed" : fields[field] ?? ""), false);
  equal(requiredValue(selector, "spec.nodeName"), "n1");
  equal(requiredValue(selector, "status.phase"), undefined);
  throws(() => parseFieldSelector("x"), { message: "invalid selector: 'x'; can't understand 'x'" });
});
