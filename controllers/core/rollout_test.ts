import assert from "node:assert/strict";
import type { Deployment, Pod, ReplicaSet } from "../../api/gen/types.ts";
import type { KubeObject } from "../../api/meta.ts";
import { controllerOf, isPodActive, isPodReady } from "../../api/pods.ts";
import { scaledValue } from "../../api/int_or_string.ts";
import { type Prng, prng } from "../../base/prng.ts";
import type { Action } from "./action.ts";
import { reconcileDeployment } from "./deployment.ts";
import { reconcileReplicaSet } from "./replica_set.ts";

const start = Date.UTC(2026, 0, 1);

/** Objects and the effect of actions on them; one step at a time, in an order that chance decides. */
class World {
  deployment: Deployment;
  readonly replicaSets = new Map<string, ReplicaSet>();
  readonly pods = new Map<string, Pod>();
  readonly events: string[] = [];
  now = start;
  #version = 1;
  #names = 0;

  constructor(deployment: Deployment) {
    this.deployment = this.#stamped(deployment);
  }

  #stamped<T extends KubeObject>(object: T): T {
    const metadata = { generation: 1, uid: `uid-${++this.#names}`, ...object.metadata };
    metadata.name ??= `${metadata.generateName ?? ""}${this.#names}`;
    metadata.creationTimestamp ??= new Date(this.now + this.#names * 1000).toISOString();
    metadata.resourceVersion = String(++this.#version);
    return { ...object, metadata };
  }

  edit(change: (spec: NonNullable<Deployment["spec"]>) => void): void {
    const copy = structuredClone(this.deployment);
    if (copy.spec !== undefined) change(copy.spec);
    copy.metadata = { ...copy.metadata, generation: (copy.metadata?.generation ?? 0) + 1 };
    this.deployment = this.#stamped(copy);
  }

  #apply(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind === "announce") continue;
      if ("done" in action && action.done !== undefined) this.events.push(action.done.message);
      if (action.kind === "create") this.#create(action.object);
      else if (action.kind === "createMany") action.objects.forEach((each) => this.#create(each));
      else if (action.kind === "delete") action.objects.forEach((each) => this.#delete(each));
      else this.#write(action);
    }
  }

  #create(object: KubeObject): void {
    const made = this.#stamped(structuredClone(object));
    const name = made.metadata?.name ?? "";
    if (isPod(made)) this.pods.set(name, made as Pod);
    else this.replicaSets.set(name, made as ReplicaSet);
  }

  #delete(object: Readonly<KubeObject>): void {
    const name = object.metadata?.name ?? "";
    this.replicaSets.delete(name);
    const pod = this.pods.get(name);
    if (pod !== undefined) {
      this.pods.set(name, this.#stamped({ ...pod, metadata: { ...pod.metadata, deletionTimestamp: "now" } }));
    }
  }

  #write(action: Action & { kind: "patch" | "updateStatus" }): void {
    const current = action.info.kind === "Deployment"
      ? this.deployment
      : this.replicaSets.get(action.object.metadata?.name ?? "");
    assert.equal(action.object.metadata?.resourceVersion, current?.metadata?.resourceVersion, "a stale write");
    const patch = action.kind === "patch" ? action.patch : { status: (action.object as Deployment).status };
    const next = structuredClone(current) as Deployment & ReplicaSet;
    const raw = patch as { metadata?: { annotations?: Record<string, string> }; spec?: object; status?: object };
    if (raw.metadata?.annotations !== undefined) {
      next.metadata = {
        ...next.metadata,
        annotations: { ...next.metadata?.annotations, ...raw.metadata.annotations },
      };
    }
    if (raw.spec !== undefined) {
      Object.assign(next, { spec: { ...next.spec, ...raw.spec } });
      next.metadata = { ...next.metadata, generation: (next.metadata?.generation ?? 0) + 1 };
    }
    if (raw.status !== undefined) Object.assign(next, { status: raw.status });
    if (action.info.kind === "Deployment") this.deployment = this.#stamped(next);
    else this.replicaSets.set(next.metadata?.name ?? "", this.#stamped(next));
  }

  reconcileDeployment(): boolean {
    const { actions } = reconcileDeployment({
      deployment: this.deployment,
      replicaSets: [...this.replicaSets.values()],
      pods: [...this.pods.values()],
      namesake: undefined,
      createFailure: null,
    }, this.now);
    this.#apply(actions);
    return actions.length > 0;
  }

  reconcileReplicaSet(replicaSet: ReplicaSet): boolean {
    const { actions } = reconcileReplicaSet({
      replicaSet,
      pods: [...this.pods.values()],
      neighbours: new Map(),
      failure: null,
      burst: 500,
    }, this.now);
    this.#apply(actions);
    return actions.length > 0;
  }

  setReady(pod: Pod, ready: boolean): void {
    const status = ready ? "True" : "False";
    const conditions = [{ type: "Ready", status, lastTransitionTime: new Date(this.now).toISOString() }];
    const next = { ...pod, spec: { containers: [], nodeName: "n" }, status: { phase: "Running", conditions } };
    this.pods.set(pod.metadata?.name ?? "", this.#stamped(next));
  }

  finish(pod: Pod): void {
    this.pods.delete(pod.metadata?.name ?? "");
  }

  get active(): Pod[] {
    return [...this.pods.values()].filter(isPodActive);
  }

  get available(): number {
    return this.active.filter(isPodReady).length;
  }

  /** One random step; false when nothing at all could be done. */
  step(random: Prng): void {
    const replicaSets = [...this.replicaSets.values()];
    const unready = this.active.filter((pod) => !isPodReady(pod));
    const terminating = [...this.pods.values()].filter((pod) => !isPodActive(pod));
    switch (random.int(4)) {
      case 0:
        return void this.reconcileDeployment();
      case 1: {
        const replicaSet = replicaSets[random.int(Math.max(1, replicaSets.length))];
        if (replicaSet !== undefined) this.reconcileReplicaSet(replicaSet);
        return;
      }
      case 2: {
        const pod = unready[random.int(Math.max(1, unready.length))];
        if (pod !== undefined) this.setReady(pod, true);
        return;
      }
      case 3: {
        const pod = terminating[random.int(Math.max(1, terminating.length))];
        if (pod !== undefined) this.finish(pod);
      }
    }
  }

  /** Everything reconciled and every pod ready until nothing changes. */
  settle(): void {
    for (let round = 0; round < 500; round++) {
      let changed = this.reconcileDeployment();
      for (const each of [...this.replicaSets.values()]) changed = this.reconcileReplicaSet(each) || changed;
      for (const pod of [...this.pods.values()]) {
        if (!isPodActive(pod)) this.finish(pod);
        else if (!isPodReady(pod)) this.setReady(pod, true);
        else continue;
        changed = true;
      }
      if (!changed) return;
    }
    assert.fail("does not settle");
  }

  condition(type: string) {
    return this.deployment.status?.conditions?.find((each) => each.type === type);
  }
}

/** Pods are made from generateName, ReplicaSets are not. */
function isPod(object: KubeObject): boolean {
  return object.metadata?.generateName !== undefined;
}

function deployment(spec: Partial<NonNullable<Deployment["spec"]>> = {}): Deployment {
  return {
    metadata: { name: "web", namespace: "d" },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 600,
      selector: { matchLabels: { app: "web" } },
      template: { metadata: { labels: { app: "web" } }, spec: { containers: [{ name: "c", image: "v1" }] } },
      ...spec,
    },
  };
}

function setImage(image: string) {
  return (spec: NonNullable<Deployment["spec"]>) => {
    spec.template = { ...spec.template, spec: { containers: [{ name: "c", image }] } };
  };
}

Deno.test("reconcileDeployment() rolls out a first revision and says what kubectl rollout status waits for", () => {
  const world = new World(deployment());
  world.reconcileDeployment();
  assert.equal(world.condition("Progressing")?.reason, "NewReplicaSetCreated");
  assert.match(world.condition("Progressing")?.message ?? "", /^Created new replica set "web-[a-z0-9]+"$/);
  assert.equal(world.condition("Available")?.message, "Deployment does not have minimum availability.");
  world.settle();
  const [name] = world.replicaSets.keys();
  const { conditions: _, ...status } = world.deployment.status ?? {};
  assert.deepEqual(status, {
    observedGeneration: 1,
    replicas: 3,
    updatedReplicas: 3,
    readyReplicas: 3,
    availableReplicas: 3,
    terminatingReplicas: 0,
  });
  assert.deepEqual(
    [world.condition("Progressing")?.reason, world.condition("Progressing")?.message],
    ["NewReplicaSetAvailable", `ReplicaSet "${name}" has successfully progressed.`],
  );
  assert.equal(world.condition("Available")?.reason, "MinimumReplicasAvailable");
  assert.equal(world.deployment.metadata?.annotations?.["deployment.kubernetes.io/revision"], "1");
  assert.deepEqual(world.events.filter((each) => each.startsWith("Scaled")), [
    `Scaled up replica set ${name} from 0 to 3`,
  ]);
});

Deno.test("reconcileDeployment() rolling back reuses the old ReplicaSet under a new revision and keeps its history", () => {
  const world = new World(deployment());
  world.settle();
  const [first] = world.replicaSets.keys();
  world.edit(setImage("v2"));
  world.settle();
  world.edit(setImage("v1"));
  world.settle();
  const old = world.replicaSets.get(first ?? "");
  assert.equal(world.replicaSets.size, 2);
  assert.equal(old?.spec?.replicas, 3);
  assert.equal(old?.metadata?.annotations?.["deployment.kubernetes.io/revision"], "3");
  assert.equal(old?.metadata?.annotations?.["deployment.kubernetes.io/revision-history"], "1");
  assert.equal(world.deployment.metadata?.annotations?.["deployment.kubernetes.io/revision"], "3");
});

Deno.test("reconcileDeployment() keeps revisionHistoryLimit old ReplicaSets, the newest ones", () => {
  const world = new World(deployment({ revisionHistoryLimit: 2 }));
  for (let i = 1; i <= 6; i++) {
    world.edit(setImage(`v${i}`));
    world.settle();
  }
  const images = [...world.replicaSets.values()].map((each) => each.spec?.template?.spec?.containers[0]?.image);
  assert.deepEqual(images, ["v4", "v5", "v6"]);
});

Deno.test("reconcileDeployment() with Recreate starts no new pod before the last old one is gone", () => {
  const world = new World(deployment({ strategy: { type: "Recreate" } }));
  world.settle();
  const [first] = world.replicaSets.values();
  world.edit(setImage("v2"));
  const random = prng(7);
  for (let i = 0; i < 400; i++) {
    world.step(random);
    const owners = new Set([...world.pods.values()].map((pod) => controllerOf(pod.metadata)?.uid));
    assert.ok(owners.size <= 1, "pods of two revisions at once");
  }
  world.settle();
  assert.equal(world.available, 3);
  assert.notEqual(controllerOf(world.active[0]?.metadata)?.uid, first?.metadata?.uid);
});

Deno.test("reconcileDeployment() reports ProgressDeadlineExceeded when nothing moves, and recovers", () => {
  const world = new World(deployment({ progressDeadlineSeconds: 10 }));
  for (let i = 0; i < 5; i++) {
    world.reconcileDeployment();
    for (const each of [...world.replicaSets.values()]) world.reconcileReplicaSet(each);
  }
  assert.equal(world.condition("Progressing")?.status, "True");
  world.now += 12_000;
  world.reconcileDeployment();
  assert.deepEqual(
    [world.condition("Progressing")?.status, world.condition("Progressing")?.reason],
    ["False", "ProgressDeadlineExceeded"],
  );
  world.settle();
  assert.equal(world.condition("Progressing")?.reason, "NewReplicaSetAvailable");
});

Deno.test("reconcileDeployment() paused scales but does not roll out, and says so", () => {
  const world = new World(deployment());
  world.settle();
  world.edit((spec) => {
    spec.paused = true;
    spec.replicas = 5;
    setImage("v2")(spec);
  });
  world.settle();
  assert.equal(world.replicaSets.size, 1);
  assert.equal(world.available, 5);
  assert.equal(world.condition("Progressing")?.reason, "DeploymentPaused");
  world.edit((spec) => {
    spec.paused = false;
  });
  world.settle();
  assert.equal(world.replicaSets.size, 2);
  assert.equal(world.condition("Progressing")?.reason, "NewReplicaSetAvailable");
});

Deno.test("reconcileDeployment() counts a hash collision instead of taking a stranger's ReplicaSet", () => {
  const world = new World(deployment());
  const stranger: ReplicaSet = { metadata: { name: "x", uid: "other" }, spec: { selector: {} } };
  const { actions } = reconcileDeployment({
    deployment: world.deployment,
    replicaSets: [],
    pods: [],
    namesake: stranger,
    createFailure: null,
  }, start);
  const [only] = actions;
  assert.equal(actions.length, 1);
  assert.ok(only?.kind === "updateStatus");
  assert.equal((only.object as Deployment).status?.collisionCount, 1);
});

Deno.test("rollouts never exceed maxSurge nor fall below maxUnavailable, over 300 random histories", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = prng(seed);
    const replicas = 1 + random.int(12);
    const pick = () => [0, 1, 2, "25%", "50%", "100%"][random.int(6)] ?? 0;
    const rollingUpdate = { maxSurge: pick(), maxUnavailable: pick() };
    const world = new World(deployment({ replicas, strategy: { type: "RollingUpdate", rollingUpdate } }));
    world.settle();
    const surge = scaledValue(rollingUpdate.maxSurge, replicas, "up") ?? 0;
    const allowed = scaledValue(rollingUpdate.maxUnavailable, replicas, "down") ?? 0;
    const unavailable = Math.min(replicas, surge === 0 && allowed === 0 ? 1 : allowed);
    for (let i = 0; i < 250; i++) {
      if (i === 0 || random.int(60) === 0) world.edit(setImage(`v${seed}-${i}`));
      world.step(random);
      const what = `seed ${seed} step ${i}: ${JSON.stringify(rollingUpdate)} of ${replicas}`;
      assert.ok(world.active.length <= replicas + surge, `${world.active.length} active, ${what}`);
      assert.ok(world.available >= replicas - unavailable, `${world.available} available, ${what}`);
    }
    world.settle();
    assert.equal(world.deployment.status?.updatedReplicas, replicas, `seed ${seed}`);
    assert.equal(world.available, replicas, `seed ${seed}`);
  }
});

Deno.test("a Deployment scaled in the middle of a rollout converges and keeps within its bounds, over 200 histories", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const random = prng(seed);
    const world = new World(deployment({ replicas: 10 }));
    world.settle();
    world.edit(setImage("v2"));
    let most = 13;
    for (let i = 0; i < 150; i++) {
      if (random.int(40) === 0) {
        const replicas = random.int(21);
        world.edit((spec) => {
          spec.replicas = replicas;
        });
        most = Math.max(most, replicas + Math.ceil(replicas / 4));
      }
      world.step(random);
      const asked = [...world.replicaSets.values()].reduce((sum, each) => sum + (each.spec?.replicas ?? 1), 0);
      assert.ok(asked <= most, `seed ${seed} step ${i}: ${asked} asked for, ${most} allowed`);
    }
    world.settle();
    const desired = world.deployment.spec?.replicas ?? 0;
    assert.equal(world.available, desired, `seed ${seed}`);
    assert.equal(world.deployment.status?.updatedReplicas ?? 0, desired, `seed ${seed}`);
  }
});
