/// <reference lib="deno.unstable" />
/** Rules of this house for `deno lint` (`"lint": { "plugins": ["./tools/lint_plugin.ts"] }`). Fence 2. */
import { isCore, isPure, isTest } from "./rooms.ts";

/** `Deno.` may appear there, and in tests. */
const denoPlaces: readonly string[] = [
  "platform/deno/",
  "cluster/",
  "tools/",
  "bench/",
  "tests/",
  "examples/",
  "asm/build.ts",
  "kubelet/images/", // programs that run in containers, not parts of the kubelet
];

const root = new URL("..", import.meta.url).pathname;

function relative(filename: string): string {
  return filename.startsWith(root) ? filename.slice(root.length) : filename.replace(/^\/+/, "");
}

function isNamed(node: Deno.lint.Node | null | undefined, name: string): boolean {
  return node?.type === "Identifier" && node.name === name;
}

/** `Math.random` and `Math["random"]`. */
function isMember(node: Deno.lint.MemberExpression, object: string, property: string): boolean {
  if (!isNamed(node.object, object)) return false;
  if (!node.computed) return isNamed(node.property, property);
  return node.property.type === "Literal" && node.property.value === property;
}

const ambientMembers: readonly (readonly [string, string])[] = [
  ["Date", "now"],
  ["Math", "random"],
  ["performance", "now"],
];

const noAmbientEffect: Deno.lint.Rule = {
  create(context) {
    if (!isPure(relative(context.filename))) return {};
    const report = (node: Deno.lint.Node, what: string): void =>
      context.report({ node, message: `${what} in a core`, hint: "Take time and chance as arguments" });
    return {
      MemberExpression(node) {
        for (const [object, property] of ambientMembers) {
          if (isMember(node, object, property)) report(node, `${object}.${property}`);
        }
      },
      NewExpression(node) {
        if (isNamed(node.callee, "Date") && node.arguments.length === 0) report(node, "new Date()");
      },
      CallExpression(node) {
        if (isNamed(node.callee, "Date")) report(node, "Date()");
      },
    };
  },
};

const noAwaitInCore: Deno.lint.Rule = {
  create(context) {
    if (!isCore(relative(context.filename))) return {};
    const report = (node: Deno.lint.Node, what: string): void =>
      context.report({ node, message: `${what} in a core`, hint: "A core is synchronous; the shell awaits" });
    function checkFunction(
      node: Deno.lint.FunctionDeclaration | Deno.lint.FunctionExpression | Deno.lint.ArrowFunctionExpression,
    ): void {
      if (node.async) report(node, "An async function");
    }
    return {
      AwaitExpression: (node) => report(node, "await"),
      ForOfStatement(node) {
        if (node.await) report(node, "for await");
      },
      FunctionDeclaration: checkFunction,
      FunctionExpression: checkFunction,
      ArrowFunctionExpression: checkFunction,
    };
  },
};

const noDenoOutside: Deno.lint.Rule = {
  create(context) {
    const path = relative(context.filename);
    if (isTest(path) || denoPlaces.some((place) => path.startsWith(place))) return {};
    const report = (node: Deno.lint.Node): void =>
      context.report({
        node,
        message: "Deno. outside platform/deno, cluster, tools, bench and tests",
        hint: "Ask for the effect through platform/mod.ts",
      });
    return {
      MemberExpression(node) {
        if (isNamed(node.object, "Deno") || isMember(node, "globalThis", "Deno")) report(node);
      },
      TSQualifiedName(node) {
        if (isNamed(node.left, "Deno")) report(node);
      },
    };
  },
};

/** A `let` at the top of a module is state that two clusters in one process would share. Programs are none's module. */
const noModuleState: Deno.lint.Rule = {
  create(context) {
    const path = relative(context.filename);
    if (isTest(path) || /^(tests|tools|bench|cluster\/entry|kubelet\/images)\//.test(path)) return {};
    return {
      "Program > VariableDeclaration[kind='let']"(node: Deno.lint.VariableDeclaration) {
        context.report({ node, message: "Mutable state at module level", hint: "Put it behind a factory" });
      },
    };
  },
};

const plugin: Deno.lint.Plugin = {
  name: "house",
  rules: {
    "no-ambient-effect": noAmbientEffect,
    "no-await-in-core": noAwaitInCore,
    "no-deno-outside": noDenoOutside,
    "no-module-state": noModuleState,
  },
};

export default plugin;
