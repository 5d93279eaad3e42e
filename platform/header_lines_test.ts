import assert from "node:assert/strict";
import { hasNameWith } from "./header_lines.ts";

Deno.test("hasNameWith() finds a name by its beginning, in any case, and nothing else", () => {
  const headers = (...names: string[]) => new Headers(names.map((name): [string, string] => [name, "x"]));
  for (const name of ["x-remote-user", "X-REMOTE-Extra-a", "X-Remote-"]) {
    assert.ok(hasNameWith(headers("host", name), "x-remote-"), name);
  }
  for (const name of ["x-remote", "ax-remote-user", "x-remoted-user", "y-remote-user", "x"]) {
    assert.ok(!hasNameWith(headers("host", name), "x-remote-"), name);
  }
  assert.ok(!hasNameWith(new Headers(), "x-remote-"));
  // A name that was set and deleted, and one of a request.
  const changed = headers("x-remote-user");
  changed.delete("x-remote-user");
  assert.ok(!hasNameWith(changed, "x-remote-"));
  assert.ok(hasNameWith(new Request("http://a/", { headers: { "Impersonate-User": "a" } }).headers, "impersonate-"));
});

Deno.test("hasNameWith() sorts and joins nothing", () => {
  class Watched extends Headers {
    override keys(): never {
      throw new Error("walked");
    }
    override entries(): never {
      throw new Error("walked");
    }
    override [Symbol.iterator](): never {
      throw new Error("walked");
    }
  }
  assert.ok(!hasNameWith(new Watched({ accept: "application/json" }), "impersonate-"));
  assert.ok(hasNameWith(new Watched({ "impersonate-user": "a" }), "impersonate-"));
});
