/** A definition that uses most of what a schema may say, and an object that it takes. */
export const widgets = {
  apiVersion: "apiextensions.k8s.io/v1",
  kind: "CustomResourceDefinition",
  metadata: { name: "widgets.example.com" },
  spec: {
    group: "example.com",
    scope: "Namespaced",
    names: { plural: "widgets", singular: "widget", kind: "Widget" },
    versions: [{
      name: "v1",
      served: true,
      storage: true,
      schema: {
        openAPIV3Schema: {
          type: "object",
          properties: {
            spec: {
              type: "object",
              required: ["size"],
              "x-kubernetes-validations": [{
                rule: "self.size < 100 && (!has(self.code) || self.code.matches('^[a-z]*$'))",
              }],
              properties: {
                size: { type: "integer", minimum: 1 },
                code: { type: "string", pattern: "^([a-z]+)*$", maxLength: 50 },
                port: { "x-kubernetes-int-or-string": true },
                note: { type: "string", nullable: true, default: "n" },
                free: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
                parts: {
                  type: "array",
                  "x-kubernetes-list-type": "map",
                  "x-kubernetes-list-map-keys": ["name"],
                  items: { type: "object", required: ["name"], properties: { name: { type: "string" } } },
                },
                labels: { type: "object", additionalProperties: { type: "string" } },
                inner: {
                  type: "object",
                  "x-kubernetes-embedded-resource": true,
                  "x-kubernetes-preserve-unknown-fields": true,
                },
              },
            },
          },
        },
      },
    }],
  },
};

export const widget = {
  apiVersion: "example.com/v1",
  kind: "Widget",
  metadata: { name: "f", labels: { a: "b" }, annotations: { a: "b" }, finalizers: [] as string[] },
  spec: {
    size: 3,
    code: "abc",
    port: 80,
    note: null,
    free: { any: [1, { b: "c" }] },
    parts: [{ name: "a" }, { name: "b" }],
    labels: { x: "y" },
    inner: { apiVersion: "v1", kind: "Pod", metadata: { name: "p" }, spec: { a: 1 } },
  },
};
