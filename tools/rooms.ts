/** Which rooms there are, which files are cores, and who may import whom: the table of HOUSE section 2. Paths are repo-relative. */

export interface Edge {
  readonly from: string;
  /** A repo-relative path, or a bare `npm:name`, `node:name`, `jsr:...`, `https://...`. */
  readonly to: string;
}

export function roomOf(path: string): string {
  const slash = path.indexOf("/");
  return slash < 0 ? path : path.slice(0, slash);
}

/** Tests, and what exists for them: fixtures, and suites that several implementations run. */
export function isTest(path: string): boolean {
  return /_(test|bench)\.tsx?$/.test(path) || /(^|\/)(testing|contract|test_[a-z_]+)(\.ts|\/)/.test(path);
}

/** The scheduler's plugins too: its core calls them, so they are as pure as it is. */
const coreDirectories = [
  "store/raft/",
  "store/mvcc/",
  "store/lease/",
  "store/watch/",
  "api/rules/",
  "scheduler/plugins/",
];

/** A core: synchronous, no effects. Tests beside it are not. */
export function isCore(path: string): boolean {
  if (isTest(path)) return false;
  return /(^|\/)core\//.test(path) || coreDirectories.some((directory) => path.startsWith(directory));
}

/** Cores, and what they stand on: no ambient effect may resolve there. */
export function isPure(path: string): boolean {
  return isCore(path) || (path.startsWith("base/") && !isTest(path));
}

/** Room -> rooms it may import besides itself. */
const mayImport: Readonly<Record<string, readonly string[]>> = {
  base: [],
  asm: [],
  platform: ["base"],
  api: ["base"],
  store: ["base", "platform"],
  client: ["base", "platform", "api"],
  apiserver: ["base", "platform", "api", "store"],
  scheduler: ["base", "platform", "api", "client"],
  controllers: ["base", "platform", "api", "client"],
  kubelet: ["base", "platform", "api", "client"],
  proxy: ["base", "platform", "api", "client"],
  addons: ["base", "platform", "api", "client"],
};

const rooms = new Set([...Object.keys(mayImport), "cluster", "mod.ts", "tests", "bench", "tools", "examples"]);
/** May import anything; imported by no one else. */
const openRooms = new Set(["tests", "bench", "tools"]);

/** Where npm packages may be imported, besides tests. Prefixes of paths. */
const npmPlaces: readonly string[] = [
  "platform/spdy/",
  "platform/deno/",
  "api/codec/",
  "api/patch/",
  "apiserver/authn/",
  "apiserver/cel/",
  "apiserver/crd/",
  "cluster/",
  "addons/",
  "tests/",
  "bench/",
  "tools/",
  "asm/build.ts",
];
/** The one file of the store that knows the wire's encoding. */
const storeCodec = { file: "store/wire.ts", npm: "npm:@msgpack/msgpack" };

const nodePlaces: readonly string[] = ["platform/", "cluster/", "tests/", "bench/", "tools/", "asm/build.ts"];

function packageViolation({ from, to }: Edge): string | null {
  if (to.startsWith("npm:")) {
    if (isTest(from) || npmPlaces.some((place) => from.startsWith(place))) return null;
    if (from === storeCodec.file && to.startsWith(storeCodec.npm)) return null;
    return "npm packages are imported only by platform/deno, api/codec, api/patch, apiserver/authn, the store's wire " +
      "codec, cluster, addons, tools and tests";
  }
  if (to.startsWith("node:")) {
    if (isTest(from) || nodePlaces.some((place) => from.startsWith(place))) return null;
    return "node: modules are imported only by platform, cluster, tools and tests";
  }
  return "only npm packages and node: modules may come from outside the repository";
}

function coreViolation({ from, to }: Edge): string | null {
  const room = roomOf(from);
  const target = roomOf(to);
  if (target === "base" || (target === "api" && room !== "store")) return null;
  // A room's types and bounds are data, not effects.
  if (target === room && (isCore(to) || to === `${room}/types.ts` || to === `${room}/limits.ts`)) return null;
  return room === "store"
    ? "a store core imports only base and pure siblings (other cores, types.ts, limits.ts)"
    : "a core imports only base, api and pure siblings (other cores, types.ts, limits.ts)";
}

function platformViolation({ from, to }: Edge): string | null {
  const test = isTest(from);
  const owner = roomOf(from);
  if (to.startsWith("platform/deno/") && !from.startsWith("platform/deno/")) {
    const allowed = test || owner === "cluster" || owner === "mod.ts" || openRooms.has(owner);
    if (!allowed) return "platform/deno is imported only by cluster, mod.ts, tools and tests";
  }
  if (to.startsWith("platform/sim/") && !from.startsWith("platform/sim/")) {
    if (!test && !openRooms.has(owner)) return "platform/sim is imported only by tests";
  }
  return null;
}

/** The rule that forbids the edge, in words; null when it is allowed. */
export function violation(edge: Edge): string | null {
  const { from, to } = edge;
  if (/^[a-z]+:/.test(to)) return packageViolation(edge);
  const [room, target] = [roomOf(from), roomOf(to)];
  if (!rooms.has(room)) return `${room} is not a room: add it to tools/rooms.ts`;
  if (openRooms.has(room)) return null;
  if (openRooms.has(target)) return `${target} is imported by no one`;
  if (isTest(to) && !isTest(from)) return "what is for tests is imported only by tests";
  if (isCore(from)) return coreViolation(edge);
  if (room === "platform") {
    if (target === "base") return null;
    return target === "platform" ? platformViolation(edge) : "platform may import base";
  }
  if (room === target) return null;
  if (room === "cluster" || room === "mod.ts" || room === "examples") return compositionViolation(edge);
  if (target === "asm" && from.startsWith("scheduler/hot/")) return null;
  if (!(mayImport[room] ?? []).includes(target)) {
    return `${room} may import ${(mayImport[room] ?? []).join(", ") || "nothing"}`;
  }
  if (target === "store" && to !== "store/mod.ts" && to !== "store/types.ts") {
    return "apiserver imports store/mod.ts and store/types.ts only";
  }
  return target === "platform" ? platformViolation(edge) : null;
}

function compositionViolation({ from, to }: Edge): string | null {
  const room = roomOf(from);
  if (room !== "cluster" && roomOf(to) === "cluster") {
    return to === "cluster/mod.ts" ? null : `${room} imports each room's mod.ts`;
  }
  if (to === "mod.ts" && room === "examples") return null;
  // base and api have no single door: they are vocabulary. A room's types.ts is the typed half of its mod.ts.
  if (["base", "api"].includes(roomOf(to)) || /^[^/]+\/(([^/]+\/)?mod|types)\.ts$/.test(to) || isTest(from)) {
    return null;
  }
  return `${room} imports each room's mod.ts`;
}
