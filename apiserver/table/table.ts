import type { CachedObject } from "../watchcache/cached.ts";
import { isRecord, type Json, record } from "../dig.ts";
import type { Cell, Column, Printer, RowCondition } from "./columns.ts";

export type IncludeObject = "None" | "Metadata" | "Object";

export interface TableRow {
  readonly cells: readonly Cell[];
  readonly conditions?: readonly RowCondition[];
  readonly object?: Json;
}

export interface Table {
  readonly kind: "Table";
  /** `meta.k8s.io/v1` or `/v1beta1`. */
  readonly apiVersion: string;
  readonly metadata: Json;
  /** Left out on the later events of a watch. */
  readonly columnDefinitions?: readonly Column[];
  readonly rows: readonly TableRow[];
}

export interface TableOptions {
  readonly printer: Printer;
  readonly apiVersion: string;
  readonly include: IncludeObject;
  /** Wall clock, ms. */
  readonly now: number;
}

export function tableRow(object: Json, options: TableOptions): TableRow {
  const conditions = options.printer.conditions?.(object) ?? [];
  return {
    cells: options.printer.cells(object, options.now),
    ...(conditions.length > 0 ? { conditions } : {}),
    ...(options.include === "None" ? {} : { object: rowObject(object, options) }),
  };
}

function rowObject(object: Json, options: TableOptions): Json {
  return options.include === "Object" ? object : partialMetadata(object, options.apiVersion);
}

/** @param apiVersion of meta.k8s.io */
export function partialMetadata(object: Json, apiVersion: string): Json {
  return { kind: "PartialObjectMetadata", apiVersion, metadata: record(object["metadata"]) };
}

/** @param listMeta resourceVersion, continue, remainingItemCount */
export function table(objects: readonly Json[], listMeta: Json, options: TableOptions): Table {
  return {
    kind: "Table",
    apiVersion: options.apiVersion,
    metadata: listMeta,
    columnDefinitions: options.printer.columns,
    rows: objects.map((object) => tableRow(object, options)),
  };
}

export function parseBytes(object: Pick<CachedObject, "bytes">): Json {
  const parsed: unknown = JSON.parse(new TextDecoder().decode(object.bytes));
  return isRecord(parsed) ? parsed : {};
}
