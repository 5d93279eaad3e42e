import { pageNotFound, respondText as respondPlain } from "./respond.ts";

/** Named conditions, each true when all is well. */
export type HealthChecks = Readonly<Record<"healthz" | "livez" | "readyz", Readonly<Record<string, () => boolean>>>>;

/** /healthz, /livez and /readyz, each with `/NAME`, `?verbose` and `?exclude=NAME`, in upstream's words. */
export function handleHealth(checks: HealthChecks, parts: readonly string[], query: URLSearchParams): Response {
  const kind = parts[0] as keyof HealthChecks;
  const all = checks[kind];
  if (parts.length > 1) {
    const name = parts.slice(1).join("/");
    const check = Object.hasOwn(all, name) ? all[name] : undefined;
    if (check === undefined) return pageNotFound();
    return check() ? respondText(200, "ok") : respondText(500, `internal server error: ${name}: not ready\n`);
  }
  const excluded = new Set(query.getAll("exclude"));
  const unknown = [...excluded].filter((name) => !Object.hasOwn(all, name)).sort();
  const lines: string[] = [];
  let failed = false;
  for (const [name, check] of Object.entries(all)) {
    if (excluded.has(name)) {
      lines.push(`[+]${name} excluded: ok`);
    } else if (check()) {
      lines.push(`[+]${name} ok`);
    } else {
      failed = true;
      lines.push(`[-]${name} failed: reason withheld`);
    }
  }
  if (unknown.length > 0) {
    const names = unknown.map((name) => JSON.stringify(name)).join(",");
    lines.push(`warn: some health checks cannot be excluded: no matches for ${names}`);
  }
  if (failed) return respondText(500, `${lines.join("\n")}\n${kind} check failed\n`);
  return respondText(200, query.has("verbose") ? `${lines.join("\n")}\n${kind} check passed\n` : "ok");
}

/** Nothing of it is a page, whatever a check's name looks like. */
function respondText(code: number, text: string): Response {
  const response = respondPlain(code, text);
  response.headers.set("x-content-type-options", "nosniff");
  return response;
}
