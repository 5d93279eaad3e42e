/** CEL in admission: policies that judge, and webhooks that ask on conditions. */
import assert from "node:assert/strict";
import type { Api, Loose } from "../api.ts";
import { everywhere } from "../definitions.ts";
import { type Check, create } from "../helpers.ts";
import { good, infoOf, pathIn, sample } from "../lifecycle.ts";

const policies = infoOf("validatingadmissionpolicies");
const bindings = infoOf("validatingadmissionpolicybindings");
const mutatingPolicies = infoOf("mutatingadmissionpolicies");
const mutatingBindings = infoOf("mutatingadmissionpolicybindings");
const deployments = infoOf("deployments");
const replicaSets = infoOf("replicasets");

function replicated(name: string, replicas: number, namespace: string, kind = deployments): Loose {
  const object = sample(kind, name, namespace);
  return { ...object, spec: { ...object.spec, replicas } };
}

/** A policy on the check's own namespace, known to every apiserver. */
async function judged(api: Api, namespace: string, spec: Loose): Promise<() => Promise<void>> {
  const name = `policy-${namespace}`;
  const rule = {
    apiGroups: ["apps"],
    apiVersions: ["v1"],
    operations: ["CREATE", "UPDATE"],
    resources: ["deployments"],
  };
  const namespaceSelector = { matchLabels: { "conformance-run": namespace } };
  await create(api, "", policies, {
    metadata: { name },
    spec: { failurePolicy: "Fail", matchConstraints: { namespaceSelector, resourceRules: [rule] }, ...spec },
  });
  await create(api, "", bindings, {
    metadata: { name },
    spec: { policyName: name, validationActions: ["Deny"], matchResources: { namespaceSelector } },
  });
  const marker = replicated("marker", 1, namespace);
  await everywhere(
    "the policy judges",
    async () => (await api.call("POST", `${pathIn(deployments, namespace)}?dryRun=All`, marker)).code === 422,
  );
  return async () => {
    good(await api.call("DELETE", pathIn(bindings, "", name)), 200, "delete the binding");
    good(await api.call("DELETE", pathIn(policies, "", name)), 200, "delete the policy");
  };
}

/** The Deployment that comes of one with a single replica, once every apiserver applies the mutation. */
async function mutated(
  api: Api,
  namespace: string,
  expression: string,
  isDone: (object: Loose) => boolean,
): Promise<Loose> {
  const name = `mutate-${namespace}`;
  const rule = { apiGroups: ["apps"], apiVersions: ["v1"], operations: ["CREATE"], resources: ["deployments"] };
  const namespaceSelector = { matchLabels: { "conformance-run": namespace } };
  await create(api, "", mutatingPolicies, {
    metadata: { name },
    spec: {
      matchConstraints: { namespaceSelector, resourceRules: [rule] },
      reinvocationPolicy: "Never",
      failurePolicy: "Fail",
      mutations: [{ patchType: "ApplyConfiguration", applyConfiguration: { expression } }],
    },
  });
  await create(api, "", mutatingBindings, {
    metadata: { name },
    spec: { policyName: name, matchResources: { namespaceSelector } },
  });
  const make = (dryRun: string) =>
    api.call("POST", `${pathIn(deployments, namespace)}${dryRun}`, replicated("mutated", 1, namespace));
  await everywhere("the policy mutates", async () => isDone((await make("?dryRun=All")).body));
  const made = good(await make(""), 201, "create");
  good(await api.call("DELETE", pathIn(mutatingBindings, "", name)), 200, "delete the binding");
  good(await api.call("DELETE", pathIn(mutatingPolicies, "", name)), 200, "delete the policy");
  return made;
}

function invalidConditions(resource: string): Check {
  return async (api, namespace) => {
    const info = infoOf(resource);
    const object = sample(info, `bad-${namespace}`, namespace);
    object.webhooks[0].matchConditions = [{ name: "invalid-expression-1", expression: "... [] bad expression" }];
    const refused = await api.call("POST", pathIn(info, ""), object);
    assert.equal(refused.code, 422, JSON.stringify(refused.body));
    assert.match(refused.body.message, /compilation failed/);
    assert.match(refused.body.message, /webhooks\[0\]\.matchConditions\[0\]\.expression/);
  };
}

export const policyChecks: Readonly<Record<string, Check>> = {
  "mutating conditions refused": invalidConditions("mutatingwebhookconfigurations"),
  "validating conditions refused": invalidConditions("validatingwebhookconfigurations"),
  async "deployment mutated"(api, namespace) {
    const expression = "Object{spec: Object.spec{replicas: object.spec.replicas + 2}}";
    const made = await mutated(api, namespace, expression, ({ spec }) => spec?.replicas === 3);
    assert.equal(made.spec.replicas, 3);
    assert.equal(made.spec.template.spec.containers.length, 1, "what the policy does not name stays");
  },
  async "annotations of a deployment mutated"(api, namespace) {
    const expression = `Object{metadata: Object.metadata{annotations: {"my-annotation": "my-value"}}}`;
    const annotated = ({ metadata }: Loose) => metadata?.annotations?.["my-annotation"] === "my-value";
    const made = await mutated(api, namespace, expression, annotated);
    assert.ok(annotated(made));
    assert.equal(made.metadata.labels.conformance, namespace, "what the policy does not name stays");
  },
  async "policy on deployments"(api, namespace) {
    const remove = await judged(api, namespace, {
      validations: [
        {
          expression: "object.spec.replicas > 1",
          messageExpression: "'wrong replicas: ' + string(object.spec.replicas)",
        },
        { expression: `namespaceObject.metadata.name == '${namespace}'`, message: "Internal error! Other namespace" },
      ],
    });
    const collection = pathIn(deployments, namespace);
    const refused = await api.call("POST", collection, replicated("replicas-1", 1, namespace));
    assert.equal(refused.code, 422);
    assert.ok(refused.body.message.includes("wrong replicas: 1"), refused.body.message);
    good(await api.call("POST", collection, replicated("replicas-2", 2, namespace)), 201, "what the policy allows");
    const set = replicated("replicas-1", 1, namespace, replicaSets);
    good(await api.call("POST", pathIn(replicaSets, namespace), set), 201, "what the policy is not about");
    await remove();
  },
  async "policy with variables"(api, namespace) {
    const remove = await judged(api, namespace, {
      variables: [
        { name: "replicas", expression: "object.spec.replicas" },
        { name: "oddReplicas", expression: "variables.replicas % 2 == 1" },
      ],
      validations: [
        { expression: "variables.replicas > 1" },
        { expression: "variables.oddReplicas" },
      ],
    });
    const collection = pathIn(deployments, namespace);
    const even = await api.call("POST", collection, replicated("replicated-4", 4, namespace));
    assert.equal(even.code, 422);
    assert.ok(even.body.message.includes("failed expression: variables.oddReplicas"), even.body.message);
    const few = await api.call("POST", collection, replicated("replicated-1", 1, namespace));
    assert.ok(few.body.message.includes("failed expression: variables.replicas > 1"), few.body.message);
    good(await api.call("POST", collection, replicated("replicated-3", 3, namespace)), 201, "odd and more than one");
    await remove();
  },
};
