import type { Json } from "../dig.ts";

export interface Column {
  readonly name: string;
  /** `string`, `integer`, `number`, `boolean` or `date`. */
  readonly type: string;
  /** `name` for the column that names the object. */
  readonly format: string;
  readonly description: string;
  /** 0: always shown; 1: with `-o wide`. */
  readonly priority: number;
}

export type Cell = string | number | boolean | null;

export interface RowCondition {
  readonly type: string;
  readonly status: "True";
  readonly reason: string;
  readonly message: string;
}

/** How one kind is printed: its columns, and one row's cells. */
export interface Printer {
  readonly columns: readonly Column[];
  readonly cells: (object: Json, now: number) => readonly Cell[];
  readonly conditions?: (object: Json) => readonly RowCondition[];
}

/**
 * A column spec is `Name`, with `*` for wide only, `#` for an integer and `?` for a boolean:
 * `["Name", "Age", "IP*", "Count#*"]`.
 */
export function columns(...specs: readonly string[]): Column[] {
  return specs.map((spec) => {
    const name = spec.replace(/[*#?]+$/, "");
    const marks = spec.slice(name.length);
    return {
      name,
      type: marks.includes("#") ? "integer" : marks.includes("?") ? "boolean" : "string",
      format: name === "Name" && !marks.includes("*") ? "name" : "",
      description: "",
      priority: marks.includes("*") ? 1 : 0,
    };
  });
}
