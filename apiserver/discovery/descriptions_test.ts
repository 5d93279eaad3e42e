import assert from "node:assert/strict";
import { start } from "../testing.ts";
import { readComments } from "./descriptions.ts";

const declaration = `/**
 * Kubernetes
 * Do not edit the class manually.
 */
import { V1X } from '../models/V1X.js';
/**
* Says something of \\'pods\\'.
*/
export declare class V1Pod {
    /**
    * The first line.
    * The \\"second\\" line.
    */
    'spec'?: V1X;
    'status'?: V1X;
    /**
    * Not a property.
    */
    static x: string;
}
`;

Deno.test("readComments() reads the comment of a class and of each property", () => {
  const { type, fields } = readComments(declaration);
  assert.equal(type, "Says something of 'pods'.");
  assert.deepEqual([...fields], [["spec", 'The first line.\nThe "second" line.']]);
  assert.equal(readComments("/**\n * File.\n */\nimport x from 'y';\nexport declare class A {}").type, "");
});

Deno.test("OpenAPI v3 carries descriptions, and its hash does not depend on them", async () => {
  const asked: string[] = [];
  const declarationOf = (name: string) => {
    asked.push(name);
    return name === "V1Pod" ? declaration : undefined;
  };
  await using described = await start({ config: { declarationOf } });
  await using plain = await start();
  const index = (await described.get("/openapi/v3")).body;
  assert.deepEqual(asked, [], "nothing is read before a document is asked for");
  assert.deepEqual(index, (await plain.get("/openapi/v3")).body);
  const pod = (await described.get("/openapi/v3/api/v1")).body.components.schemas["io.k8s.api.core.v1.Pod"];
  assert.equal(pod.description, "Says something of 'pods'.");
  assert.match(pod.properties.spec.description, /^The first line/);
  assert.equal(pod.properties.status.description, undefined);
});
