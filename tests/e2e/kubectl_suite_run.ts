import { describeMismatch, rewritten, runSession, type SuiteOptions } from "./kubectl_suite.ts";

const directory = new URL("../testdata/kubectl/", import.meta.url).pathname;
/** Sessions at once. */
const concurrency = 4;

/** Runs every session, or those named. @returns how many commands ran, and each that answered otherwise */
export async function runSuite(
  options: Omit<SuiteOptions, "scratch"> & { readonly only: readonly string[]; readonly rewrite?: boolean },
): Promise<{ ran: number; problems: string[] }> {
  const names = [...Deno.readDirSync(directory)].map(({ name }) => name.replace(/\.txt$/, "")).sort();
  const queue = names.filter((name) => options.only.length === 0 || options.only.includes(name));
  const scratch = await Deno.makeTempDir({ prefix: "sauropod-kubectl-suite-" });
  const problems: string[] = [];
  let ran = 0;
  async function work(): Promise<void> {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const path = `${directory}${name}.txt`;
      const text = await Deno.readTextFile(path);
      const result = await runSession(name, text, { ...options, scratch });
      ran += result.ran;
      if (options.rewrite) await Deno.writeTextFile(path, rewritten(text, result.seen));
      else problems.push(...result.mismatches.map((each) => describeMismatch(each, options.version)));
    }
  }
  try {
    await Promise.all(Array.from({ length: concurrency }, work));
  } finally {
    await Deno.remove(scratch, { recursive: true });
  }
  return { ran, problems };
}
