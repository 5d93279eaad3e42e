import assert from "node:assert/strict";
import { parse, stringify } from "yaml";
import { run } from "./harness.ts";

/**
 * A session of shell commands around kubectl, each with what a real Kubernetes answers. A file is one session: its
 * commands run one after the other, in a namespace of their own; files run beside each other.
 *
 *     $ kubectl get cm nothing
 *     ----
 *     [stderr]
 *     Error from server (NotFound): configmaps "nothing" not found
 *     [exit 1]
 *
 * `$1.32 ` and `$1.35 ` begin commands for that kubectl alone. What changes from run to run is replaced before texts are
 * compared: {@linkcode normalise}.
 */
export interface Step {
  /** "" for every version. */
  readonly version: string;
  readonly line: number;
  readonly command: string;
  readonly expected: string;
}

const head = /^\$(1\.\d\d)? /;

export function parseSession(text: string): Step[] {
  const steps: Step[] = [];
  const lines = text.split("\n");
  for (let at = 0; at < lines.length;) {
    const start = head.exec(lines[at] ?? "");
    if (start === null) {
      at++;
      continue;
    }
    const line = at + 1;
    const command = [(lines[at++] ?? "").slice(start[0].length)];
    while (at < lines.length && lines[at] !== "----") command.push(lines[at++] ?? "");
    assert.equal(lines[at++], "----", `line ${line}: no ---- after the command`);
    const expected: string[] = [];
    while (at < lines.length && !head.test(lines[at] ?? "") && !(lines[at] ?? "").startsWith("## ")) {
      expected.push(lines[at++] ?? "");
    }
    steps.push({ version: start[1] ?? "", line, command: command.join("\n"), expected: expected.join("\n").trimEnd() });
  }
  return steps;
}

/** The file again, with what was seen in place of what was expected. */
export function rewritten(text: string, seen: ReadonlyMap<number, string>): string {
  const lines = text.split("\n");
  const out: string[] = [];
  const steps = parseSession(text);
  let at = 0;
  for (const step of steps) {
    const bar = lines.indexOf("----", step.line - 1);
    out.push(...lines.slice(at, bar + 1));
    at = bar + 1;
    while (at < lines.length && !head.test(lines[at] ?? "") && !(lines[at] ?? "").startsWith("## ")) at++;
    const output = seen.get(step.line) ?? step.expected;
    if (output !== "") out.push(output);
    out.push("");
  }
  return [...out, ...lines.slice(at)].join("\n");
}

const volatile: readonly (readonly [RegExp, string])[] = [
  [/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/g, "<uid>"],
  [/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, "<time>"],
  [/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}/g, "<time>"],
  [/\b127(\.\d{1,3}){3}\b/g, "<ip>"],
  [/(resourceVersion"?: ?)"\d+"/g, '$1"<rv>"'],
  [/(^| |\t)(\d+[dhms]|\d+[dhm]\d+[hms]|<invalid>)(?= ago|$| {2}| \(|\n)/gm, "$1<age>"],
  [/-[bcdfghjklmnpqrstvwxz2456789]{8,10}-[bcdfghjklmnpqrstvwxz2456789]{5}\b/g, "-<hash>-<id>"],
  [/(pod-template-hash[:=] ?)"?[a-z0-9]{8,10}"?/g, "$1<hash>"],
  [/-[bcdfghjklmnpqrstvwxz2456789]{8,10}(?=[ ,\n"]|$)/gm, "-<hash>"],
  [/\/tmp\/[^ "]*\/(?=[^/ "]*)/g, "<tmp>/"],
  [/(localhost|<ip>):\d{4,5}\b/g, "$1:<port>"],
  [/ {2,}(?=\S)/g, "  "],
  [/[ \t]+$/gm, ""],
];

/** Ages, times, ids, addresses, hashes, the namespace, and the width of columns, which follows from them. */
export function normalise(text: string, namespace: string): string {
  // An indent says what belongs to what, so it stays.
  const indented = text.split("\n").map((line) => {
    const indent = /^ */.exec(line)?.[0] ?? "";
    let rest = line.slice(indent.length).replaceAll(namespace, "$NS");
    for (const [pattern, by] of volatile) rest = rest.replace(pattern, by);
    return indent + rest;
  });
  return indented.join("\n").trimEnd();
}

export interface SuiteOptions {
  /** The program, and what version it is: `1.35`. */
  readonly kubectl: string;
  readonly version: string;
  /** An administrator's. */
  readonly kubeconfig: string;
  /** A directory that is removed afterwards. */
  readonly scratch: string;
}

export interface Mismatch {
  readonly file: string;
  readonly step: Step;
  readonly seen: string;
}

export interface SessionResult {
  readonly ran: number;
  readonly mismatches: readonly Mismatch[];
  readonly seen: ReadonlyMap<number, string>;
}

/** Runs one file. @param name the area, which its namespace is called after */
export async function runSession(name: string, text: string, options: SuiteOptions): Promise<SessionResult> {
  const namespace = `${name}-v${options.version.replace(".", "")}`;
  const home = `${options.scratch}/${namespace}`;
  await Deno.mkdir(`${home}/bin`, { recursive: true });
  await Deno.symlink(options.kubectl, `${home}/bin/kubectl`);
  const kubeconfig = `${home}/kubeconfig`;
  await Deno.writeTextFile(kubeconfig, withNamespace(await Deno.readTextFile(options.kubeconfig), namespace));
  const env = {
    HOME: home,
    KUBECONFIG: kubeconfig,
    NS: namespace,
    PATH: `${home}/bin:${Deno.env.get("PATH") ?? ""}`,
    TMPDIR: home,
    TZ: "UTC",
  };
  const shell = (command: string) => run("bash", ["-c", `cd ${home}; ${command}`], { env, timeoutMs: 60_000 });
  assert.equal((await shell(`kubectl create namespace ${namespace}`)).code, 0);
  const mismatches: Mismatch[] = [];
  const seen = new Map<number, string>();
  for (const step of parseSession(text)) {
    if (step.version !== "" && step.version !== options.version) continue;
    const { code, stdout, stderr } = await shell(step.command);
    const parts = [
      normalise(stdout, namespace),
      stderr.trim() === "" ? "" : `[stderr]\n${normalise(stderr, namespace)}`,
      code === 0 ? "" : `[exit ${code}]`,
    ];
    const output = parts.filter((part) => part !== "").join("\n");
    seen.set(step.line, output);
    if (output !== expectedOf(step, options.version)) mismatches.push({ file: name, step, seen: output });
  }
  await shell(`kubectl delete namespace ${namespace} --wait=false`);
  return { ran: seen.size, mismatches, seen };
}

/** kubectl 1.32 does not yet say where a deleted object was. */
function expectedOf({ expected }: Step, version: string): string {
  return version === "1.32" ? expected.replaceAll(" from $NS namespace", "") : expected;
}

function withNamespace(kubeconfig: string, namespace: string): string {
  const config = parse(kubeconfig) as { contexts: { context: { namespace?: string } }[] }; // our own CLI's file
  for (const { context } of config.contexts) context.namespace = namespace;
  return stringify(config);
}

export function describeMismatch({ file, step, seen }: Mismatch, version: string): string {
  return [
    `${file}.txt:${step.line} (kubectl ${version}): ${step.command}`,
    "--- expected",
    step.expected,
    "--- seen",
    seen,
  ].join("\n");
}
