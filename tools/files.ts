/** Repo-relative paths of the TypeScript files under `root`, sorted; hidden directories, test data and node_modules left out. */
export function sourceFiles(root: string): string[] {
  const found: string[] = [];
  function walk(directory: string): void {
    for (const entry of Deno.readDirSync(`${root}/${directory}`)) {
      if (entry.name.startsWith(".") || entry.name === "node_modules" || entry.name === "testdata") continue;
      const path = directory === "" ? entry.name : `${directory}/${entry.name}`;
      if (entry.isDirectory) walk(path);
      else if (entry.isFile && entry.name.endsWith(".ts") && !entry.name.endsWith(".d.ts")) found.push(path);
    }
  }
  walk("");
  return found.sort();
}

/** The repository this file stands in. */
export function repositoryRoot(): string {
  return new URL("..", import.meta.url).pathname.replace(/\/$/, "");
}
