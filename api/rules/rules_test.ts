import { deepEqual, equal, ok } from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { decode } from "../codec/mod.ts";
import { type FieldError, fieldErrorText } from "../field_errors.ts";
import type { StatefulSet } from "../gen/types.ts";
import { clone } from "../json_value.ts";
import type { KubeObject } from "../meta.ts";
import * as resources from "../resources.ts";
import { invalid } from "../status.ts";
import { imageTag, rulesFor } from "./mod.ts";
import { minimalOf } from "./testing.ts";
import type { RuleContext } from "./types.ts";

const context: RuleContext = { now: 1_700_000_000_000, allowLoopbackEndpoints: false };
type Json = Record<string, unknown>;

/** What the server would have after decoding, defaulting and preparing. */
function made(info: resources.ResourceInfo, object: Json): KubeObject {
  const body = utf8(JSON.stringify(object));
  const decoded = decode<KubeObject>(body, "application/json", info.type, { fieldValidation: "Strict" }).object;
  const rules = rulesFor(info);
  if (info.namespaced) decoded.metadata = { namespace: "default", ...decoded.metadata };
  rules.setDefaults(decoded);
  rules.prepareForCreate(decoded, context);
  return decoded;
}

function texts(errors: readonly FieldError[]): string[] {
  return errors.map(fieldErrorText);
}

function refusals(info: resources.ResourceInfo, object: Json): string[] {
  return texts(rulesFor(info).validate(made(info, object), context));
}

function updated(info: resources.ResourceInfo, old: KubeObject, change: (next: Json) => void): [KubeObject, string[]] {
  const next = clone(old);
  change(next as Json);
  const rules = rulesFor(info);
  rules.setDefaults(next);
  rules.prepareForUpdate(next, old, context);
  return [next, texts(rules.validateUpdate(next, old, context))];
}

const pod = (spec: Json, metadata: Json = { name: "p" }): Json => ({ metadata, spec });
const box = (more: Json = {}): Json => ({ name: "c", image: "nginx", ...more });

Deno.test("rulesFor() has rules for every served resource, and they accept a minimal object", () => {
  for (const info of resources.resources) {
    deepEqual(refusals(info, { metadata: { name: "n" }, ...minimalOf(info) }), [], info.resource);
  }
});

Deno.test("pods get upstream's defaults", () => {
  const object = made(
    resources.pods,
    pod({
      containers: [box({
        ports: [{ containerPort: 80 }],
        resources: { limits: { cpu: "1", memory: "1.5Gi" }, requests: { cpu: "100u" } },
        livenessProbe: { httpGet: { port: 80 } },
        env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } }],
      })],
      volumes: [{ name: "v" }, { name: "s", secret: { secretName: "x" } }],
      serviceAccountName: "sa",
    }),
  );
  deepEqual(object, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "default", generation: 1 },
    spec: {
      containers: [{
        name: "c",
        image: "nginx",
        ports: [{ containerPort: 80, protocol: "TCP" }],
        resources: {
          limits: { cpu: "1", memory: "1536Mi" },
          requests: { cpu: "1m", memory: "1536Mi" },
        },
        livenessProbe: {
          httpGet: { port: 80, path: "/", scheme: "HTTP" },
          timeoutSeconds: 1,
          periodSeconds: 10,
          successThreshold: 1,
          failureThreshold: 3,
        },
        env: [{ name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name", apiVersion: "v1" } } }],
        imagePullPolicy: "Always",
        terminationMessagePath: "/dev/termination-log",
        terminationMessagePolicy: "File",
      }],
      volumes: [{ name: "v", emptyDir: {} }, { name: "s", secret: { secretName: "x", defaultMode: 420 } }],
      serviceAccountName: "sa",
      serviceAccount: "sa",
      dnsPolicy: "ClusterFirst",
      restartPolicy: "Always",
      securityContext: {},
      terminationGracePeriodSeconds: 30,
      schedulerName: "default-scheduler",
      enableServiceLinks: true,
    },
    status: { phase: "Pending", qosClass: "Burstable" },
  });
});

Deno.test("imageTag() reads the tag that decides the pull policy", () => {
  const cases: Record<string, string> = {
    nginx: "latest",
    "nginx:1.2": "1.2",
    "host:5000/a/b": "latest",
    "host:5000/a/b:v1": "v1",
    "a@sha256:00": "",
    "a:v2@sha256:00": "v2",
  };
  for (const [image, tag] of Object.entries(cases)) equal(imageTag(image), tag, image);
});

Deno.test("wrong pods are refused in upstream's words", () => {
  const cases: [Json, string[]][] = [
    [{ containers: [] }, ["spec.containers: Required value"]],
    [{ containers: [{ name: "c" }] }, ["spec.containers[0].image: Required value"]],
    [{ containers: [box(), box()] }, ['spec.containers[1].name: Duplicate value: "c"']],
    [{ containers: [box({ restartPolicy: "Always" })] }, [
      "spec.containers[0].restartPolicy: Forbidden: may not be set for non-init containers",
    ]],
    [{ containers: [box()], restartPolicy: "Sometimes" }, [
      'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
    ]],
    [{ containers: [box({ ports: [{ containerPort: 70000 }] })] }, [
      "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive",
    ]],
    [{ containers: [box({ ports: [{ containerPort: 0 }] })] }, [
      "spec.containers[0].ports[0].containerPort: Required value",
    ]],
    [{ containers: [box({ resources: { limits: { cpu: "1" }, requests: { cpu: "2" } } })] }, [
      'spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1',
    ]],
    [{ containers: [box({ resources: { requests: { "x.io/gpu": "1" } } })] }, [
      "spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources",
    ]],
    [{ containers: [box({ resources: { requests: { disk: "1" } } })] }, [
      'spec.containers[0].resources.requests[disk]: Invalid value: "disk": ' +
      "must be a standard resource type or fully qualified",
      'spec.containers[0].resources.requests[disk]: Invalid value: "disk": must be a standard resource for containers',
    ]],
    [{ containers: [box({ resources: { limits: { cpu: "-1" } } })] }, [
      'spec.containers[0].resources.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
      'spec.containers[0].resources.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
    ]],
    [{ containers: [box({ volumeMounts: [{ name: "v", mountPath: "/v" }] })] }, [
      'spec.containers[0].volumeMounts[0].name: Not found: "v"',
    ]],
    [{ containers: [box({ livenessProbe: { exec: { command: ["x"] }, tcpSocket: { port: 1 } } })] }, [
      "spec.containers[0].livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
    ]],
    [{ containers: [box({ livenessProbe: { successThreshold: 2, exec: { command: ["x"] } } })] }, [
      "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1",
    ]],
    [{ containers: [box({ env: [{ name: "A", value: "x", valueFrom: { fieldRef: { fieldPath: "spec.foo" } } }] })] }, [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.foo": ' +
      "error converting fieldPath: field label not supported: spec.foo",
      'spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
    ]],
    [{ containers: [box()], tolerations: [{ operator: "Equal", tolerationSeconds: 1 }] }, [
      'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists when `key` is empty, ' +
      'which means "match all values and all keys"',
      "spec.tolerations[0].effect: Invalid value: \"\": effect must be 'NoExecute' when `tolerationSeconds` is set",
    ]],
    [{ containers: [box()], initContainers: [box({ name: "i", readinessProbe: { exec: { command: ["x"] } } })] }, [
      "spec.initContainers[0].readinessProbe: Forbidden: " +
      "may not be set for init containers without restartPolicy=Always",
    ]],
    [{ containers: [box()], nodeName: "n", schedulingGates: [{ name: "g" }] }, [
      "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
    ]],
    [{
      containers: [box()],
      affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [] } } },
    }, [
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: " +
      "Required value: must have at least one node selector term",
    ]],
    [{ containers: [box({ securityContext: { privileged: true, allowPrivilegeEscalation: false } })] }, [
      "spec.containers[0].securityContext.allowPrivilegeEscalation: Invalid value: false: " +
      "cannot set `allowPrivilegeEscalation` to false and `privileged` to true",
    ]],
    [{ containers: [box()], volumes: [{ name: "v", emptyDir: {}, hostPath: { path: "/x" } }] }, [
      "spec.volumes[0].hostPath: Forbidden: may not specify more than 1 volume type",
    ]],
  ];
  for (const [spec, want] of cases) deepEqual(refusals(resources.pods, pod(spec)), want, JSON.stringify(spec));
});

Deno.test("a pod's spec changes in images, deadline and added tolerations only", () => {
  const old = made(resources.pods, pod({ containers: [box()], tolerations: [{ key: "a", operator: "Exists" }] }));
  const [image, none] = updated(resources.pods, old, (next) => {
    (next.spec as { containers: Json[] }).containers[0] = {
      ...(next.spec as { containers: Json[] }).containers[0],
      image: "nginx:2",
    };
  });
  deepEqual(none, []);
  equal(image.metadata?.generation, 2);
  const [same] = updated(resources.pods, old, (next) => (next.status = { phase: "Running" }));
  equal(same.metadata?.generation, 1);
  deepEqual((same as Json).status, (old as Json).status);
  const [, added] = updated(resources.pods, old, (next) => {
    (next.spec as { tolerations: Json[] }).tolerations.push({ key: "b", operator: "Exists" });
  });
  deepEqual(added, []);
  const [, dropped] = updated(resources.pods, old, (next) => ((next.spec as Json).tolerations = []));
  deepEqual(dropped, [
    "spec.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds",
  ]);
  const [, more] = updated(
    resources.pods,
    old,
    (next) => (next.spec as { containers: Json[] }).containers.push(box({ name: "d" })),
  );
  ok(more.includes("spec.containers: Forbidden: pod updates may not add or remove containers"));
  const [, node] = updated(resources.pods, old, (next) => ((next.spec as Json).nodeName = "n"));
  deepEqual(node, [
    "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`," +
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing " +
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n" +
    '+ spec.nodeName: "n"\n',
  ]);
});

Deno.test("a pod's status update keeps its spec, and a finished container does not come back", () => {
  const old = made(resources.pods, pod({ containers: [box()], restartPolicy: "Never" }));
  (old as Json).status = {
    phase: "Running",
    qosClass: "BestEffort",
    containerStatuses: [{ name: "c", state: { terminated: { exitCode: 0 } } }],
  };
  const next = clone(old);
  (next as Json).status = { phase: "Running", containerStatuses: [{ name: "c", state: { running: {} } }] };
  ((next as Json).spec as Json).nodeName = "sneaky";
  const rules = rulesFor(resources.pods);
  rules.prepareForStatusUpdate(next, old, context);
  deepEqual((next as Json).spec, (old as Json).spec);
  deepEqual(texts(rules.validateStatusUpdate(next, old, context)), [
    "status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state",
  ]);
});

Deno.test("metadata is checked in upstream's words", () => {
  const name = "a lowercase RFC 1123 subdomain must consist of";
  const [wrong] = refusals(resources.configMaps, { metadata: { name: "A" } });
  ok(wrong?.startsWith(`metadata.name: Invalid value: "A": ${name}`), String(wrong));
  deepEqual(refusals(resources.configMaps, { metadata: {} }), [
    "metadata.name: Required value: name or generateName is required",
  ]);
  deepEqual(refusals(resources.namespaces, { metadata: { name: "n", namespace: "x" } }), [
    "metadata.namespace: Forbidden: not allowed on this type",
  ]);
  const big = { a: "x".repeat(256 * 1024) };
  deepEqual(refusals(resources.configMaps, { metadata: { name: "n", annotations: big } }), [
    "metadata.annotations: Too long: may not be more than 262144 bytes",
  ]);
  const owner = { apiVersion: "v1", kind: "Pod", name: "p", uid: "u", controller: true };
  const [two] = refusals(resources.configMaps, {
    metadata: { name: "n", ownerReferences: [owner, { ...owner, uid: "v" }] },
  });
  ok(
    two?.includes('Only one reference can have Controller set to true. Found "true" in references for Pod/p and Pod/p'),
  );
  const old = made(resources.configMaps, { metadata: { name: "n" } });
  const [, renamed] = updated(resources.configMaps, old, (next) => ((next.metadata as Json).uid = "other"));
  deepEqual(renamed, ['metadata.uid: Invalid value: "other": field is immutable']);
});

Deno.test("deployments get upstream's defaults and refuse what upstream refuses", () => {
  const selector = { matchLabels: { app: "a" } };
  const template = { metadata: { labels: { app: "a" } }, spec: { containers: [box()] } };
  const good = made(resources.deployments, { metadata: { name: "d" }, spec: { selector, template } });
  const spec = (good as { spec: Json }).spec;
  deepEqual({ ...spec, template: 0, selector: 0 }, {
    template: 0,
    selector: 0,
    replicas: 1,
    strategy: { type: "RollingUpdate", rollingUpdate: { maxUnavailable: "25%", maxSurge: "25%" } },
    revisionHistoryLimit: 10,
    progressDeadlineSeconds: 600,
  });
  deepEqual([good.metadata?.generation, (good as Json).status], [1, {}]);
  equal(((spec.template as Json).spec as Json).enableServiceLinks, undefined);
  deepEqual(refusals(resources.deployments, { metadata: { name: "d" } }), [
    "spec.selector: Required value",
    "spec.template.metadata.labels: Invalid value: null: `selector` does not match template `labels`",
    "spec.template.spec.containers: Required value",
  ]);
  const other = { metadata: { labels: { app: "b" } }, spec: { containers: [box()], restartPolicy: "Never" } };
  deepEqual(
    refusals(resources.deployments, { metadata: { name: "d" }, spec: { replicas: -1, selector, template: other } }),
    [
      "spec.replicas: Invalid value: -1: must be greater than or equal to 0",
      'spec.template.metadata.labels: Invalid value: {"app":"b"}: `selector` does not match template `labels`',
      'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"',
    ],
  );
  const rollingUpdate = { maxUnavailable: 0, maxSurge: "0%" };
  deepEqual(
    refusals(resources.deployments, {
      metadata: { name: "d" },
      spec: { selector, template, strategy: { rollingUpdate } },
    }),
    [
      "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0",
    ],
  );
  const [next, errors] = updated(
    resources.deployments,
    good,
    (it) => ((it.spec as Json).selector = { matchLabels: { app: "x" } }),
  );
  deepEqual(errors, [
    'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match template `labels`',
    'spec.selector: Invalid value: {"matchLabels":{"app":"x"}}: field is immutable',
  ]);
  equal(next.metadata?.generation, 2);
  const [annotated] = updated(resources.deployments, good, (it) => ((it.metadata as Json).annotations = { a: "b" }));
  equal(annotated.metadata?.generation, 2);
  const message = invalid(
    { group: "apps", kind: "Deployment" },
    "d",
    rulesFor(resources.deployments).validate(made(resources.deployments, { metadata: { name: "d" } }), context),
  ).message;
  equal(
    message,
    'Deployment.apps "d" is invalid: [spec.selector: Required value, spec.template.metadata.labels: Invalid value: ' +
      "null: `selector` does not match template `labels`, spec.template.spec.containers: Required value]",
  );
});

Deno.test("several faults are told in the order in which upstream finds them", () => {
  const fields = (info: resources.ResourceInfo, object: Json) =>
    rulesFor(info).validate(made(info, object), context).map(({ field }) => field);
  deepEqual(
    fields(resources.pods, {
      metadata: { name: "p" },
      spec: {
        containers: [{ ...box(), image: " nginx" }],
        volumes: [{ name: "t", projected: { sources: [{ serviceAccountToken: { path: "t" } }] } }],
        priorityClassName: "A",
        tolerations: [{ key: "k", operator: "Nope" }],
        subdomain: "B",
        activeDeadlineSeconds: 0,
        nodeName: "C",
        restartPolicy: "Sometimes",
      },
    }),
    [
      "spec.restartPolicy",
      "spec.nodeName",
      "spec.activeDeadlineSeconds",
      "spec.subdomain",
      "spec.tolerations[0].operator",
      "spec.priorityClassName",
      "spec.volumes[0].projected.sources[0].serviceAccountToken",
      "spec.containers[0].image",
    ],
  );
  const port = { name: "a", port: 80, nodePort: 30000 };
  deepEqual(
    fields(resources.services, {
      metadata: { name: "s" },
      spec: { ports: [port, { ...port, name: "B" }], sessionAffinity: "Nope", externalIPs: ["x"] },
    }),
    [
      "spec.ports[1].name",
      "spec.sessionAffinity",
      "spec.externalIPs[0]",
      "spec.ports[0].nodePort",
      "spec.ports[1].nodePort",
      "spec.ports[1].nodePort",
      "spec.ports[1]",
    ],
  );
  const template = {
    spec: { containers: [{ ...box(), name: "A" }], restartPolicy: "Never", activeDeadlineSeconds: 5 },
  };
  const unusable = { matchExpressions: [{ key: "a", operator: "Like" }] };
  const unknown = "spec.selector.matchExpressions[0].operator";
  deepEqual(fields(resources.deployments, { metadata: { name: "d" }, spec: { selector: unusable, template } }), [
    unknown,
    "spec.selector",
  ]);
  const ofTemplate = ["containers[0].name", "restartPolicy", "activeDeadlineSeconds"].map((it) =>
    `spec.template.spec.${it}`
  );
  deepEqual(fields(resources.statefulSets, { metadata: { name: "s" }, spec: { selector: unusable, template } }), [
    unknown,
    "spec.selector",
    ...ofTemplate,
  ]);
  deepEqual(fields(resources.daemonSets, { metadata: { name: "d" }, spec: { template } }), [
    "spec.template.metadata.labels",
    ...ofTemplate,
  ]);
  deepEqual(
    refusals(resources.daemonSets, { metadata: { name: "d" }, spec: { selector: {}, template } }).filter((it) =>
      it.startsWith("spec.selector")
    ),
    ["spec.selector: Invalid value: {}: empty selector is invalid for daemonset"],
  );
});

Deno.test("statefulSets drop what is behind a gate, and check the names that their pods get", () => {
  const labels = { app: "web" };
  const set = (spec: Record<string, unknown>, name = "web") => ({
    metadata: { name },
    spec: {
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers: [box()] } },
      ...spec,
    },
  });
  const object = made(
    resources.statefulSets,
    set({ updateStrategy: { rollingUpdate: { maxUnavailable: 2 } } }),
  ) as StatefulSet;
  deepEqual(object.spec?.updateStrategy, { type: "RollingUpdate", rollingUpdate: { partition: 0 } });
  deepEqual(object.status, { replicas: 0, availableReplicas: 0 });
  const mounts = { containers: [box({ volumeMounts: [{ name: "data", mountPath: "/data" }] })] };
  const mounting = { template: { metadata: { labels }, spec: mounts } };
  const claim = { metadata: { name: "data" }, spec: { accessModes: ["ReadWriteOnce"] } };
  deepEqual(refusals(resources.statefulSets, set({ ...mounting, volumeClaimTemplates: [claim] })), []);
  deepEqual(refusals(resources.statefulSets, set(mounting)), [
    `spec.template.spec.containers[0].volumeMounts[0].name: Not found: "data"`,
  ]);
  const wrong = refusals(resources.statefulSets, set({ serviceName: "a.b" }, "web.x"));
  deepEqual(wrong.map((each) => each.slice(0, each.indexOf(":"))), ["metadata.name", "spec.serviceName"]);
  deepEqual(
    refusals(
      resources.statefulSets,
      set({ podManagementPolicy: "Any", persistentVolumeClaimRetentionPolicy: { whenScaled: "Keep" } }),
    ),
    [
      `spec.podManagementPolicy: Invalid value: "Any": must be 'OrderedReady' or 'Parallel'`,
      `spec.persistentVolumeClaimRetentionPolicy.whenScaled: Unsupported value: "Keep": supported values: "Retain", "Delete"`,
    ],
  );
});

Deno.test("daemonSets count their templates in an annotation, whatever a client writes there", () => {
  const annotation = "deprecated.daemonset.template.generation";
  const labels = { a: "b" };
  const template = { metadata: { labels }, spec: { containers: [box()] } };
  const first = made(resources.daemonSets, {
    metadata: { name: "d" },
    spec: { selector: { matchLabels: labels }, template },
  });
  equal(first.metadata?.annotations?.[annotation], "1");
  const [second] = updated(resources.daemonSets, first, (next) => {
    (next["spec"] as Json)["minReadySeconds"] = 5;
    delete (next["metadata"] as Json)["annotations"];
  });
  equal(second.metadata?.annotations?.[annotation], "1");
  equal(second.metadata?.generation, 2);
  const [third] = updated(resources.daemonSets, second, (next) => {
    (next["spec"] as Json)["template"] = { ...template, spec: { containers: [box({ image: "other" })] } };
  });
  equal(third.metadata?.annotations?.[annotation], "2");
});

Deno.test("services get upstream's defaults, keep their address and refuse what upstream refuses", () => {
  const good = made(resources.services, {
    metadata: { name: "s" },
    spec: { selector: { a: "b" }, ports: [{ port: 80 }] },
  });
  deepEqual((good as Json).spec, {
    selector: { a: "b" },
    ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    sessionAffinity: "None",
    type: "ClusterIP",
    internalTrafficPolicy: "Cluster",
    ipFamilyPolicy: "SingleStack",
    ipFamilies: ["IPv4"],
  });
  deepEqual(refusals(resources.services, { metadata: { name: "s" }, spec: {} }), ["spec.ports: Required value"]);
  deepEqual(refusals(resources.services, { metadata: { name: "s" }, spec: { clusterIP: "None" } }), []);
  deepEqual(refusals(resources.services, { metadata: { name: "s" }, spec: { ports: [{ port: 80 }, { port: 80 }] } }), [
    "spec.ports[0].name: Required value",
    "spec.ports[1].name: Required value",
    'spec.ports[1]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,"Port":80,' +
    '"TargetPort":0,"NodePort":0}',
  ]);
  deepEqual(refusals(resources.services, { metadata: { name: "s" }, spec: { type: "Foo", ports: [{ port: 80 }] } }), [
    'spec.type: Unsupported value: "Foo": supported values: "ClusterIP", "ExternalName", "LoadBalancer", "NodePort"',
  ]);
  const [bad] = refusals(resources.services, { metadata: { name: "1s" }, spec: { ports: [{ port: 80 }] } });
  ok(bad?.includes("a DNS-1035 label must consist of"), String(bad));
  Object.assign((good as { spec: Json }).spec, { clusterIP: "10.0.0.1", clusterIPs: ["10.0.0.1"] });
  const [, moved] = updated(resources.services, good, (next) => ((next.spec as Json).clusterIP = "10.0.0.2"));
  deepEqual(moved, ['spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set']);
  const [named, errors] = updated(
    resources.services,
    good,
    (next) => Object.assign(next.spec as Json, { type: "ExternalName", externalName: "x.y." }),
  );
  deepEqual(errors, []);
  equal((named as { spec: Json }).spec.clusterIP, undefined);
});

Deno.test("ConfigMaps and Secrets check keys, size, seal and type", () => {
  const metadata = { name: "c" };
  const [key] = refusals(resources.configMaps, { metadata, data: { "a b": "x" } });
  ok(key?.startsWith('data[a b]: Invalid value: "a b": a valid config key must consist of'), String(key));
  deepEqual(refusals(resources.configMaps, { metadata, data: { a: "x".repeat(1024 * 1024 + 1) } }), [
    "[]: Too long: may not be more than 1048576 bytes",
  ]);
  const sealed = made(resources.configMaps, { metadata, data: { a: "b" }, immutable: true });
  const [, changed] = updated(resources.configMaps, sealed, (next) => (next.data = { a: "c" }));
  deepEqual(changed, ["data: Forbidden: field is immutable when `immutable` is set"]);
  const secret = made(resources.secrets, { metadata, stringData: { a: "häß", __proto__x: "1" }, data: { b: "Yg==" } });
  deepEqual([(secret as Json).data, (secret as Json).type, (secret as Json).stringData], [
    { b: "Yg==", a: "aMOkw58=", __proto__x: "MQ==" },
    "Opaque",
    undefined,
  ]);
  deepEqual(refusals(resources.secrets, { metadata, type: "kubernetes.io/tls" }), [
    "data[tls.crt]: Required value",
    "data[tls.key]: Required value",
  ]);
  const [, retyped] = updated(resources.secrets, secret, (next) => (next.type = "other"));
  deepEqual(retyped, ['type: Invalid value: "other": field is immutable']);
});

Deno.test("EndpointSlices admit loopback addresses only where the network is loopback", () => {
  const slice = { metadata: { name: "e" }, addressType: "IPv4", endpoints: [{ addresses: ["127.4.0.1"] }] };
  deepEqual(refusals(resources.endpointSlices, slice), [
    'endpoints[0].addresses[0]: Invalid value: "127.4.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)',
  ]);
  const rules = rulesFor(resources.endpointSlices);
  const object = made(resources.endpointSlices, slice);
  deepEqual(rules.validate(object, { ...context, allowLoopbackEndpoints: true }), []);
  equal(object.metadata?.generation, 1);
  const many = { ...slice, endpoints: Array.from({ length: 1001 }, () => ({ addresses: ["10.0.0.1"] })) };
  deepEqual(refusals(resources.endpointSlices, many), ["endpoints: Too many: 1001: must have at most 1000 items"]);
});

Deno.test("namespaces are labelled and finalized; nodes keep their pod CIDR; leases have a duration", () => {
  const space = made(resources.namespaces, { metadata: { name: "n" } });
  deepEqual(space, {
    apiVersion: "v1",
    kind: "Namespace",
    metadata: { name: "n", labels: { "kubernetes.io/metadata.name": "n" } },
    spec: { finalizers: ["kubernetes"] },
    status: { phase: "Active" },
  });
  const node = made(resources.nodes, {
    metadata: { name: "n" },
    spec: { podCIDRs: ["10.0.0.0/24"] },
    status: { capacity: { cpu: "2" } },
  });
  deepEqual((node as { status: Json }).status.allocatable, { cpu: "2" });
  const [, moved] = updated(resources.nodes, node, (next) => ((next.spec as Json).podCIDRs = ["10.0.1.0/24"]));
  deepEqual(moved, ['spec.podCIDRs: Forbidden: node updates may not change podCIDR except from "" to valid']);
  deepEqual(refusals(resources.nodes, { metadata: { name: "n" }, spec: { taints: [{ key: "k", effect: "Zap" }] } }), [
    'metadata.taints[0].effect: Unsupported value: "Zap": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
  ]);
  deepEqual(refusals(resources.leases, { metadata: { name: "l" }, spec: { leaseDurationSeconds: 0 } }), [
    "spec.leaseDurationSeconds: Invalid value: 0: must be greater than 0",
  ]);
  deepEqual(refusals(resources.events, { metadata: { name: "e" }, involvedObject: { namespace: "other" } }), [
    'involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  ]);
});

Deno.test("setDefaults() is idempotent and its result validates again on update", () => {
  const selector = { matchLabels: { a: "b" } };
  const template = { metadata: { labels: { a: "b" } }, spec: { containers: [box()] } };
  const all: [resources.ResourceInfo, Json][] = [
    [resources.pods, pod({ containers: [box({ resources: { limits: { cpu: "1" } } })], hostNetwork: true })],
    [resources.deployments, { metadata: { name: "d" }, spec: { selector, template } }],
    [resources.services, {
      metadata: { name: "s" },
      spec: { ports: [{ port: 1 }], type: "LoadBalancer", sessionAffinity: "ClientIP" },
    }],
    [resources.secrets, { metadata: { name: "s" }, stringData: { a: "b" } }],
  ];
  for (const [info, object] of all) {
    const once = made(info, object);
    const twice = clone(once);
    rulesFor(info).setDefaults(twice);
    deepEqual(twice, once);
    deepEqual(updated(info, once, () => {}), [once, []], info.resource);
  }
});
