/** A store member's process ends with this when its member was removed from the cluster: it must not be started again. */
export const removedExitCode = 86;

/**
 * What a store member's process is started with. glibc then asks for huge pages, where the machine leaves the choice to
 * programs: a killed process gives all its memory back, page by page, before its connections end and the others notice.
 */
export function storeEnvironment(): Record<string, string> {
  return { GLIBC_TUNABLES: Deno.env.get("GLIBC_TUNABLES") ?? "glibc.malloc.hugetlb=1" };
}

/**
 * What a store member's engine is started with: half the default young generation, and whole collections when the heap has
 * grown to 2.2 times what lived. Bytes outside the heap are freed by collections that what is inside it brings about
 * (docs/adr/0031).
 */
export const storeEngineFlags = "--v8-flags=--max-semi-space-size=8,--heap-growing-percent=120";
