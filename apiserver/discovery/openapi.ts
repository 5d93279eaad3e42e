import { fromUtf8 } from "../../base/bytes.ts";
import { isReview } from "../../api/resources.ts";
import { schemaOf } from "../../api/schema.ts";
import type { Catalog } from "../catalog.ts";
import { type Json, record } from "../dig.ts";
import { encodeOpenApi } from "../protobuf/openapi.ts";
import { type Bytes, textBytes } from "../respond.ts";
import { type DeclarationOf, describeSchemas } from "./descriptions.ts";
import { contentHash } from "./etag.ts";
import { openApiPaths, operationTypes } from "./openapi_paths.ts";
import { customSchemas, customTypes } from "./openapi_custom.ts";
import { type Dialect, openApiSchema, typeClosure } from "./openapi_schema.ts";
import { type GroupVersion, groupVersionName, groupVersions, subresourceOf } from "./resources.ts";

export interface Document {
  /** JSON. */
  readonly bytes: () => Bytes;
  /** Of the document without its descriptions: the index needs every hash, and descriptions are read late. */
  readonly hash: string;
  /** The same in gnostic's protobuf form; made at first use. */
  readonly protobuf: () => Bytes;
}

/** `api/v1` or `apis/apps/v1`: how the index names a group version. */
function pathName(it: GroupVersion): string {
  return it.group === "" ? `api/${it.version}` : `apis/${groupVersionName(it)}`;
}

/** OpenAPI documents, made at first use and kept: those of built-in kinds for good, the others until the catalog changes. */
export class OpenApiDocuments {
  readonly #version: string;
  readonly #v3 = new Map<string, Document>();
  readonly #catalog: Catalog;
  #v2: Document | undefined;
  #generation = 0;

  readonly #declarationOf: DeclarationOf | undefined;

  constructor(version: string, catalog: Catalog, declarationOf?: DeclarationOf) {
    this.#version = version;
    this.#catalog = catalog;
    this.#declarationOf = declarationOf;
  }

  /** GET /openapi/v3. */
  index(): Json {
    const paths: Json = {};
    for (const it of this.#groupVersions()) {
      const name = pathName(it);
      const hash = this.groupVersion(name)?.hash ?? "";
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` };
    }
    for (const { group, version, openApiHash } of this.#catalog.remotes) {
      if (openApiHash === "") continue;
      const name = pathName({ group, version, resources: [] });
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${openApiHash}` };
    }
    return { paths };
  }

  /** @param name as in the index; undefined when not served */
  groupVersion(name: string): Document | undefined {
    const all = this.#groupVersions();
    const known = this.#v3.get(name);
    if (known !== undefined) return known;
    const found = all.find((it) => pathName(it) === name);
    if (found === undefined) return undefined;
    const document = encode(
      {
        openapi: "3.0.0",
        info: { title: "Kubernetes", version: this.#version },
        paths: pathsOf([found], "v3"),
        components: { schemas: schemasOf([found], "v3", this.#catalog) },
      },
      "v3",
      this.#declarationOf,
    );
    this.#v3.set(name, document);
    return document;
  }

  /** GET /openapi/v2, JSON form. */
  v2(): Document {
    const all = this.#groupVersions();
    this.#v2 ??= encode({
      swagger: "2.0",
      info: { title: "Kubernetes", version: this.#version },
      ...withRemotes({ paths: pathsOf(all, "v2"), definitions: schemasOf(all, "v2", this.#catalog) }, this.#catalog),
    }, "v2");
    return this.#v2;
  }

  /** What is served now; forgets the documents that are no longer right. */
  #groupVersions(): GroupVersion[] {
    const { generation } = this.#catalog;
    const all = groupVersions(this.#catalog.resources);
    if (generation !== this.#generation) {
      this.#generation = generation;
      this.#v2 = undefined;
      const fixed = new Set(
        all.filter((it) => !this.#catalog.isDynamic(it.group, it.version)).map(pathName),
      );
      for (const name of this.#v3.keys()) if (!fixed.has(name)) this.#v3.delete(name);
    }
    return all;
  }
}

/** What other servers say of their part; of a type that both describe, ours counts. */
function withRemotes(
  own: { paths: Json; definitions: Json },
  { remotes }: Catalog,
): { paths: Json; definitions: Json } {
  const theirs = remotes.map(({ openApiV2 }) => openApiV2).filter((it) => it !== null);
  return {
    paths: Object.assign({}, ...theirs.map(({ paths }) => paths), own.paths),
    definitions: Object.assign({}, ...theirs.map(({ definitions }) => definitions), own.definitions),
  };
}

function encode(document: Json, dialect: Dialect, declarationOf?: DeclarationOf): Document {
  const plain = textBytes(JSON.stringify(document));
  let described: Bytes | undefined;
  const bytes = () => described ??= declarationOf === undefined ? plain : describe(plain, declarationOf);
  let protobuf: Bytes | undefined;
  return { bytes, hash: contentHash(plain), protobuf: () => protobuf ??= encodeOpenApi(parse(bytes()), dialect) };
}

function describe(plain: Bytes, declarationOf: DeclarationOf): Bytes {
  const document = parse(plain);
  describeSchemas(record(record(document["components"])["schemas"]), declarationOf);
  return textBytes(JSON.stringify(document));
}

/** The tree is not kept: the text is a third of it, and few clients ask for protobuf. */
function parse(bytes: Uint8Array): Json {
  const parsed: unknown = JSON.parse(fromUtf8(bytes));
  return record(parsed);
}

function pathsOf(all: readonly GroupVersion[], dialect: Dialect): Json {
  const paths: Json = {};
  for (const it of all) for (const info of it.resources) Object.assign(paths, openApiPaths(info, dialect));
  return paths;
}

function schemasOf(all: readonly GroupVersion[], dialect: Dialect, catalog: Catalog): Json {
  const roots = all.flatMap((it) => it.resources).flatMap((info) => [
    info.type,
    ...(isReview(info) ? [] : [`${info.type}List`]),
    ...info.subresources.map((name) => subresourceOf(info, name).type),
  ]);
  const schemas: Json = {};
  for (const type of typeClosure([...roots, ...operationTypes, ...customTypes])) {
    schemas[type] = openApiSchema(schemaOf(type), dialect);
  }
  for (const info of all.flatMap((it) => it.resources)) {
    const dynamic = catalog.dynamic(info.type);
    if (dynamic !== undefined) Object.assign(schemas, customSchemas(dynamic, dialect));
  }
  return schemas;
}
