import { deepEqual, equal } from "node:assert/strict";
import {
  forbidden as fieldForbidden,
  invalid as fieldInvalid,
  notSupported,
  required,
  tooLong,
} from "./field_errors.ts";
import { quote } from "./go_text.ts";
import * as status from "./status.ts";

const pods = { group: "", resource: "pods" };
const deployments = { group: "apps", resource: "deployments" };

Deno.test("ApiError constructors speak upstream's exact words", () => {
  equal(status.notFound(pods, "x").message, 'pods "x" not found');
  equal(status.notFound(deployments, "x").message, 'deployments.apps "x" not found');
  equal(status.alreadyExists(pods, "x").message, 'pods "x" already exists');
  equal(
    status.conflict(deployments, "web").message,
    'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; ' +
      "please apply your changes to the latest version and try again",
  );
  equal(
    status.forbidden(pods, "x", 'User "u" cannot get resource "pods" in API group "" in the namespace "d"').message,
    'pods "x" is forbidden: User "u" cannot get resource "pods" in API group "" in the namespace "d"',
  );
  equal(status.methodNotAllowed(pods, "patch").message, 'patch is not supported on resources of kind "pods"');
  equal(status.resourceVersionTooLarge(9, 7).message, "Timeout: Too large resource version: 9, current: 7");
  equal(status.resourceVersionTooLarge(9, 7).hasCause("ResourceVersionTooLarge"), true);
  equal(status.internal(new Error("boom")).message, "Internal error occurred: boom");
});

Deno.test("invalid() carries one cause a field and joins several in brackets, each once", () => {
  const one = status.invalid({ group: "", kind: "Pod" }, "x", [required("spec.containers")]);
  equal(one.message, 'Pod "x" is invalid: spec.containers: Required value');
  const many = status.invalid({ group: "apps", kind: "Deployment" }, "x", [
    fieldInvalid("spec.replicas", -1, "must be greater than or equal to 0"),
    notSupported("spec.strategy.type", "Foo", ["Recreate", "RollingUpdate"]),
    notSupported("spec.strategy.type", "Foo", ["Recreate", "RollingUpdate"]),
    fieldForbidden("spec.a", "no"),
    tooLong("metadata.annotations", 262144),
  ]);
  equal(
    many.message,
    'Deployment.apps "x" is invalid: [spec.replicas: Invalid value: -1: must be greater than or equal to 0, ' +
      'spec.strategy.type: Unsupported value: "Foo": supported values: "Recreate", "RollingUpdate", ' +
      "spec.a: Forbidden: no, metadata.annotations: Too long: may not be more than 262144 bytes]",
  );
  deepEqual(many.status.details?.causes?.[0], {
    reason: "FieldValueInvalid",
    message: "Invalid value: -1: must be greater than or equal to 0",
    field: "spec.replicas",
  });
  equal(many.status.code, 422);
  deepEqual([many.status.details?.kind, many.status.details?.group], ["Deployment", "apps"]);
});

Deno.test("errorFromBody() restores what was sent and survives what is no Status", () => {
  const sent = status.notFound(pods, "x");
  deepEqual(status.errorFromBody(404, JSON.parse(JSON.stringify(sent.status))).status, sent.status);
  equal(status.errorFromBody(502, "bad gateway").code, 502);
  equal(status.errorFromBody(503, null).code, 503);
});

Deno.test("quote() is Go's %q", () => {
  equal(quote('a"b\\c\n\x00é'), '"a\\"b\\\\c\\n\\x00é"');
  equal(quote("\u200b"), '"\\u200b"');
});
