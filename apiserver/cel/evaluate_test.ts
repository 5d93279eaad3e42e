import assert from "node:assert/strict";
import { loadPatterns } from "../crd/patterns.ts";
import { Budget } from "./budget.ts";
import { checkNames } from "./check.ts";
import { evaluate, scopeOf } from "./evaluate.ts";
import { loadParser } from "./parse.ts";
import { BudgetError, CelError, fromJson, toJson, type Value } from "./values.ts";

const parse = await loadParser();
const engine = { patterns: await loadPatterns() };
const self = fromJson({
  n: 3,
  list: [3, 1, 2],
  name: "web-1",
  labels: { app: "x", "a-b": "y" },
  parts: [{ name: "a", size: 1 }, { name: "b", size: 5 }],
  none: null,
});

function run(text: string, budget = 1_000_000): Value {
  const node = parse(text);
  checkNames(node, new Set(["self"]));
  return evaluate(node, scopeOf({ self }), new Budget(budget), engine);
}

Deno.test("evaluate() gives what cel-go gives", () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ["1 + 2 * 3 == 7 && !(2 > 3)", true],
    ["self.n in self.list && !(9 in self.list)", true],
    ["1 == 1.0 && 1u == 1", true],
    ["self.list.all(i, i > 0) && self.list.exists(i, i == 2) && self.list.exists_one(i, i > 2)", true],
    ["self.list.map(i, i * 2)", [6, 2, 4]],
    ["self.list.filter(i, i > 1).size()", 2],
    ["self.parts.map(p, p.size > 2, p.name)", ["b"]],
    ["has(self.name) && !has(self.missing)", true],
    ["self.labels.all(k, k.size() <= 3)", true],
    ["self.labels.a__dash__b", "y"],
    ["'a-b' in self.labels", true],
    ["self.?missing.orValue('d') + self.?name.orValue('')", "dweb-1"],
    ["self.missing == 1 || true", true],
    ["true ? 'a' : self.missing", "a"],
    ["size('héllo')", 5],
    ["self.name.matches('^[a-z]+-[0-9]$') && self.name.startsWith('web')", true],
    ["'a1b22'.findAll('[0-9]+')", ["1", "22"]],
    ["'a,b,c'.split(',').join('-') + 'Xy'.lowerAscii() + 'abc'.substring(1, 2) + ' t '.trim()", "a-b-cxybt"],
    ["'%s is %d%%'.format(['x', 3])", "x is 3%"],
    ["self.list.sum() == 6 && self.list.max() == 3 && !self.list.isSorted()", true],
    ["self.list.sort()", [1, 2, 3]],
    ["sets.contains(self.list, [1, 2]) && !sets.intersects(self.list, [9])", true],
    ["quantity('1500m').isGreaterThan(quantity('1')) && quantity('2Gi').add(1).isInteger()", true],
    ["isQuantity('1Q') || quantity('50k').asInteger() == 50000", true],
    ["url('https://a.example:8443/p?q=1').getPort() == '8443' && isURL('/rel') && !isURL('x y')", true],
    ["ip('10.0.0.1').family() == 4 && ip('::1').isLoopback() && !isIP('010.0.0.1')", true],
    ["cidr('10.0.0.0/8').containsIP('10.9.9.9') && !cidr('10.0.0.0/8').containsCIDR('11.0.0.0/16')", true],
    ["string(cidr('10.1.2.3/8').masked())", "10.0.0.0/8"],
    ["duration('1h30m').getMinutes() == 90 && timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026", true],
    [
      "duration('90s') > duration('1m') && timestamp('2026-01-01T00:00:00Z') + duration('24h') == timestamp('2026-01-02T00:00:00Z')",
      true,
    ],
    ["type(1) == int && type('a') == string", true],
    ["cel.bind(x, self.n + 1, x * x)", 16],
    ["optional.of(2).optMap(v, v + 1).value()", 3],
    ["int('42') + int(2.9) == 44 && string(true) == 'true' && double('1.5') == 1.5", true],
    ["{'a': [1, {'b': 2}]}.a[1].b", 2],
  ];
  for (const [text, wanted] of cases) assert.deepEqual(structuredClone(toJson(run(text))), wanted, text);
});

Deno.test("evaluate() fails in cel-go's words", () => {
  const cases: readonly (readonly [string, RegExp])[] = [
    ["self.missing", /^no such key: missing$/],
    ["self.list[7]", /^index out of bounds: 7$/],
    ["1 / 0", /^division by zero$/],
    ["9223372036854775807 + 1", /^integer overflow$/],
    ["1 + 'a'", /^no such overload$/],
    ["self.none.x", /^no such key: x$/],
    ["other > 1", /undeclared reference to 'other'/],
    ["self.list.frobnicate()", /undeclared reference to 'frobnicate'/],
    ["1 +", /Syntax error/],
  ];
  for (const [text, wanted] of cases) {
    assert.throws(() => run(text), (error) => error instanceof CelError && wanted.test(error.message), text);
  }
});

Deno.test("Budget: work that multiplies is stopped, patterns and texts are linear", () => {
  const nested = "[0,1,2,3,4,5,6,7,8,9]";
  const loops =
    `${nested}.all(a, ${nested}.all(b, ${nested}.all(c, ${nested}.all(d, ${nested}.all(e, a+b+c+d+e >= 0)))))`;
  assert.throws(() => run(loops, 100_000), BudgetError);
  assert.throws(
    () => run(`[${"'x'.replace('x', 'yyyyyyyy'),".repeat(3)}'a'].map(x, x.replace('', 'b'.replace('b', x)))`, 3),
    BudgetError,
  );
  const begun = performance.now();
  assert.equal(run(`'${"a".repeat(5000)}!'.matches('^(a+)+$')`), false);
  assert.ok(performance.now() - begun < 2000);
});
