import type { CustomResourceColumnDefinition } from "../../api/gen/types.ts";
import { dig, type Json, text } from "../dig.ts";
import type { Cell, Column, Printer } from "../table/columns.ts";
import { since } from "../table/duration.ts";
import { findAll, type JsonPath, parseJsonPath } from "./json_path.ts";

const nameColumn: Column = {
  name: "Name",
  type: "string",
  format: "name",
  description: "Name must be unique within a namespace. Is required when creating resources.",
  priority: 0,
};

const ageColumn: CustomResourceColumnDefinition = {
  name: "Age",
  type: "date",
  description: "CreationTimestamp is the server time when the object was created.",
  jsonPath: ".metadata.creationTimestamp",
};

/** Prints custom resources by their definition's columns; without any, their age. */
export function customPrinter(definitions: readonly CustomResourceColumnDefinition[] | undefined): Printer {
  const shown = definitions === undefined || definitions.length === 0 ? [ageColumn] : definitions;
  const paths = shown.map((column) => ({ column, path: parseJsonPath(column.jsonPath) }));
  return {
    columns: [
      nameColumn,
      ...shown.map((column) => ({
        name: column.name,
        type: column.type,
        format: column.format ?? "",
        description: column.description ?? `Custom resource definition column (in JSONPath format): ${column.jsonPath}`,
        priority: column.priority ?? 0,
      })),
    ],
    cells: (object, now) => [
      text(dig(object, "metadata", "name")),
      ...paths.map(({ column, path }) => cellOf(object, column.type, path, now)),
    ],
  };
}

function cellOf(object: Json, type: string, path: JsonPath, now: number): Cell {
  const found = findAll(path, object);
  const first = found[0];
  if (first === undefined || first === null) return null;
  switch (type) {
    case "string":
      return found.map((it) => typeof it === "string" ? it : JSON.stringify(it)).join(" ");
    case "integer":
      return typeof first === "number" ? Math.trunc(first) : null;
    case "number":
      return typeof first === "number" ? first : null;
    case "boolean":
      return typeof first === "boolean" ? first : null;
    case "date":
      if (typeof first !== "string") return null;
      return Number.isNaN(Date.parse(first)) ? "<invalid>" : since(first, now);
    default:
      return null;
  }
}
