import { fromUtf8, utf8 } from "../../base/bytes.ts";
import { isReview } from "../../api/resources.ts";
import { schemaOf } from "../../api/schema.ts";
import { type Json, record } from "../dig.ts";
import { encodeOpenApi } from "../protobuf/openapi.ts";
import type { Bytes } from "../respond.ts";
import { contentHash } from "./etag.ts";
import { openApiPaths, operationTypes } from "./openapi_paths.ts";
import { type Dialect, openApiSchema, typeClosure } from "./openapi_schema.ts";
import { type GroupVersion, groupVersionName, groupVersions, subresourceOf } from "./resources.ts";

export interface Document {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly hash: string;
  /** The same in gnostic's protobuf form; made at first use. */
  readonly protobuf: () => Bytes;
}

/** `api/v1` or `apis/apps/v1`: how the index names a group version. */
function pathName(it: GroupVersion): string {
  return it.group === "" ? `api/${it.version}` : `apis/${groupVersionName(it)}`;
}

/** OpenAPI documents, made from the schema tables at first use and kept: they never change while the server runs. */
export class OpenApiDocuments {
  readonly #version: string;
  readonly #v3 = new Map<string, Document>();
  #v2: Document | undefined;

  constructor(version: string) {
    this.#version = version;
  }

  /** GET /openapi/v3. */
  index(): Json {
    const paths: Json = {};
    for (const it of groupVersions()) {
      const name = pathName(it);
      const hash = this.groupVersion(name)?.hash ?? "";
      paths[name] = { serverRelativeURL: `/openapi/v3/${name}?hash=${hash}` };
    }
    return { paths };
  }

  /** @param name as in the index; undefined when not served */
  groupVersion(name: string): Document | undefined {
    const known = this.#v3.get(name);
    if (known !== undefined) return known;
    const found = groupVersions().find((it) => pathName(it) === name);
    if (found === undefined) return undefined;
    const document = encode({
      openapi: "3.0.0",
      info: { title: "Kubernetes", version: this.#version },
      paths: pathsOf([found], "v3"),
      components: { schemas: schemasOf([found], "v3") },
    }, "v3");
    this.#v3.set(name, document);
    return document;
  }

  /** GET /openapi/v2, JSON form. */
  v2(): Document {
    this.#v2 ??= encode({
      swagger: "2.0",
      info: { title: "Kubernetes", version: this.#version },
      paths: pathsOf(groupVersions(), "v2"),
      definitions: schemasOf(groupVersions(), "v2"),
    }, "v2");
    return this.#v2;
  }
}

function encode(document: Json, dialect: Dialect): Document {
  const bytes = new Uint8Array(utf8(JSON.stringify(document)));
  let protobuf: Bytes | undefined;
  return { bytes, hash: contentHash(bytes), protobuf: () => protobuf ??= encodeOpenApi(parse(bytes), dialect) };
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

function schemasOf(all: readonly GroupVersion[], dialect: Dialect): Json {
  const roots = all.flatMap((it) => it.resources).flatMap((info) => [
    info.type,
    ...(isReview(info) ? [] : [`${info.type}List`]),
    ...info.subresources.map((name) => subresourceOf(info, name).type),
  ]);
  const schemas: Json = {};
  for (const type of typeClosure([...roots, ...operationTypes])) {
    schemas[type] = openApiSchema(schemaOf(type), dialect);
  }
  return schemas;
}
