/**
 * Generates `api/gen/types.ts` and `api/gen/schemas.ts` from the pinned npm package `@kubernetes/client-node`
 * (class names, attribute names, types, formats, optionality) and `tools/api_overlay.json` (what it lacks: full type
 * names, group/version/kind, protobuf numbers, list types and keys, patch strategies). Names and numbers only.
 *
 *     deno run -A tools/gen_api.ts            writes the files
 *     deno run -A tools/gen_api.ts --check    fails when they differ from what it would write
 */
import overlayText from "./api_overlay.json" with { type: "json" };

const packageSpecifier = "npm:@kubernetes/client-node@2.0.1";

interface OverlayField {
  readonly pb?: number;
  readonly list?: string;
  readonly keys?: readonly string[];
  readonly patch?: string;
  readonly mergeKey?: string;
  readonly map?: string;
  readonly quantity?: boolean;
}
interface OverlayType {
  readonly class?: string;
  readonly gvk?: readonly (readonly string[])[];
  /** `atomic`: server-side apply takes values of the type as a whole. */
  readonly map?: string;
  readonly fields?: Readonly<Record<string, OverlayField>>;
}
interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}
interface Model {
  readonly attributes: readonly Attribute[];
  /** Attribute names that the declaration file marks optional. */
  readonly optional: ReadonlySet<string>;
}

const overlay = overlayText as unknown as Readonly<Record<string, OverlayType>>;
const fullNameOfClass = new Map<string, string>();
for (const [full, type] of Object.entries(overlay)) {
  if (type.class !== undefined) fullNameOfClass.set(type.class, full);
}

async function packageDirectory(): Promise<string> {
  const output = await new Deno.Command(Deno.execPath(), { args: ["info", "--json", packageSpecifier] }).output();
  if (!output.success) throw new Error(`deno info failed: ${new TextDecoder().decode(output.stderr)}`);
  const info = JSON.parse(new TextDecoder().decode(output.stdout)) as {
    npmPackages: Record<string, { name: string; localPath?: string }>;
  };
  for (const entry of Object.values(info.npmPackages)) {
    if (entry.name === "@kubernetes/client-node" && entry.localPath !== undefined) return entry.localPath;
  }
  throw new Error(`${packageSpecifier} is not in the npm cache: run deno cache ${packageSpecifier}`);
}

async function readModel(directory: string, className: string): Promise<Model> {
  const base = `${directory}/dist/gen/models/${className}`;
  const code = await Deno.readTextFile(`${base}.js`);
  const declaration = await Deno.readTextFile(`${base}.d.ts`);
  const map = /attributeTypeMap = (\[[\s\S]*?\]);\n/.exec(code)?.[1];
  if (map === undefined) throw new Error(`${className}: no attributeTypeMap`);
  const optional = new Set<string>();
  for (const match of declaration.matchAll(/^ {4}'([^']+)'\?:/gm)) optional.add(match[1] as string);
  return { attributes: JSON.parse(map) as Attribute[], optional };
}

/** The TypeScript name: the class name, without `V1` before a capital. */
function typeName(className: string): string {
  return className.replace(/^V1(?=[A-Z])/, "");
}

function scalarOf(type: string, format: string): string | undefined {
  switch (type) {
    case "string":
      return format === "byte" ? "bytes" : "string";
    case "boolean":
      return "bool";
    case "number":
      return format === "double" ? "double" : format;
    case "Date":
      return "time";
    case "V1MicroTime":
      return "microtime";
    case "IntOrString":
      return "int-or-string";
    case "any":
      return "any";
    default:
      return undefined;
  }
}

/** The schema table's spelling: a scalar, `[]T`, `map:T` or the full name of a type without its `io.k8s.`. */
function schemaType(type: string, format: string, field: OverlayField): string {
  const list = /^Array<(.*)>$/.exec(type)?.[1];
  if (list !== undefined) return `[]${schemaType(list, format, field)}`;
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type)?.[1];
  if (map !== undefined) return `map:${schemaType(map, format, field)}`;
  if (field.quantity) return "quantity";
  const scalar = scalarOf(type, format);
  if (scalar !== undefined) return scalar;
  const full = fullNameOfClass.get(type);
  if (full === undefined) throw new Error(`unknown type ${type}`);
  return full.replace(/^io\.k8s\./, "@");
}

function typeScriptType(schema: string): string {
  if (schema.startsWith("[]")) return `${typeScriptType(schema.slice(2))}[]`;
  if (schema.startsWith("map:")) return `Record<string, ${typeScriptType(schema.slice(4))}>`;
  if (schema.startsWith("@")) return typeName(overlay[`io.k8s.${schema.slice(1)}`]?.class as string);
  switch (schema) {
    case "bool":
      return "boolean";
    case "int32":
    case "int64":
    case "double":
      return "number";
    case "int-or-string":
    case "quantity":
      return schema === "quantity" ? "string" : "IntOrString";
    case "any":
      return "unknown";
    default:
      return "string";
  }
}

function attributesOf(field: OverlayField): string {
  let text = "";
  if (field.pb !== undefined) text += ` pb=${field.pb}`;
  if (field.list !== undefined) text += ` list=${field.list}`;
  if (field.keys !== undefined) text += ` keys=${field.keys.join(",")}`;
  if (field.map !== undefined) text += ` map=${field.map}`;
  if (field.patch !== undefined) text += ` patch=${field.patch}`;
  if (field.mergeKey !== undefined) text += ` mergeKey=${field.mergeKey}`;
  return text;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

async function generate(): Promise<{ types: string; schemas: string }> {
  const directory = await packageDirectory();
  const notice = "// Generated by tools/gen_api.ts: do not edit.\n";
  const interfaces: [string, string][] = [];
  let schemas = `${notice}/** One string a type, parsed at its first use: see api/schema.ts for the format. */\n` +
    "export const schemaTable: Readonly<Record<string, string>> = {\n";
  for (const full of Object.keys(overlay).sort(compare)) {
    const entry = overlay[full] as OverlayType;
    const heads = (entry.gvk ?? []).map((gvk) => gvk.join("/"));
    if (entry.class !== undefined) heads.push(`class=${entry.class}`);
    if (entry.map !== undefined) heads.push(`map=${entry.map}`);
    const lines = [heads.join(" ")];
    if (entry.class === undefined) {
      schemas += `  ${JSON.stringify(full)}: ${JSON.stringify("any")},\n`;
      continue;
    }
    const model = await readModel(directory, entry.class);
    let body = "";
    for (const attribute of [...model.attributes].sort((a, b) => compare(a.baseName, b.baseName))) {
      const field = entry.fields?.[attribute.baseName] ?? {};
      const type = schemaType(attribute.type, attribute.format, field);
      const required = !model.optional.has(attribute.name);
      lines.push(`${attribute.baseName}${required ? "!" : ""} ${type}${attributesOf(field)}`);
      const key = /^[A-Za-z_$][\w$]*$/.test(attribute.baseName)
        ? attribute.baseName
        : JSON.stringify(attribute.baseName);
      body += `  ${key}${required ? "" : "?"}: ${typeScriptType(type)};\n`;
    }
    for (const name of Object.keys(entry.fields ?? {})) {
      if (!model.attributes.some((attribute) => attribute.baseName === name)) throw new Error(`${full}: no ${name}`);
    }
    schemas += `  ${JSON.stringify(full)}: ${JSON.stringify(lines.join("\n"))},\n`;
    const name = typeName(entry.class);
    interfaces.push([name, `/** ${full} */\nexport interface ${name} {\n${body}}\n`]);
  }
  schemas += "};\n";
  interfaces.sort((a, b) => compare(a[0], b[0]));
  const types = `${notice}export type IntOrString = number | string;\n\n${interfaces.map((i) => i[1]).join("\n")}`;
  return { types, schemas };
}

const output = await generate();
const targets = [["types", output.types], ["schemas", output.schemas]] as const;
const check = Deno.args.includes("--check");
let differing = 0;
for (const [name, text] of targets) {
  const path = new URL(`../api/gen/${name}.ts`, import.meta.url);
  if (!check) {
    await Deno.writeTextFile(path, text);
    continue;
  }
  const present = await Deno.readTextFile(path).catch(() => "");
  if (present !== text) {
    console.error(`api/gen/${name}.ts is not what tools/gen_api.ts makes: run deno task gen`);
    differing++;
  }
}
if (differing > 0) Deno.exit(1);
