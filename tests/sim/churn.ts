import type { World } from "../../platform/sim/mod.ts";
import { type ClusterMember, connectStore, type Store, StoreError } from "../../store/mod.ts";
import { everyId, placeOf, type SimCluster } from "./cluster.ts";

/** Fewer voters than this are not made fewer: what else fails may take one more. */
const votersMin = 4;

/** Changes who belongs to the cluster, as an administrator would: one at a time, a learner first. */
export class Churn {
  readonly #world: World;
  readonly #cluster: SimCluster;
  readonly #store: Store;
  #busy: Promise<void> | null = null;
  changes = 0;

  constructor(world: World, cluster: SimCluster) {
    this.#world = world;
    this.#cluster = cluster;
    const endpoints = everyId.map((id) => placeOf(id).clientAddress);
    this.#store = connectStore({ endpoints, requestTimeoutMs: 2000 }, world.host("admin").platform);
  }

  /** One change, if the last one has come to an end; a refusal or a lost answer is no harm. */
  step(): void {
    this.#busy ??= this.#step();
  }

  async #step(): Promise<void> {
    try {
      await this.#change(await this.#store.membership.list());
      this.changes++;
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    } finally {
      this.#busy = null;
    }
  }

  async #change(members: readonly ClusterMember[]): Promise<void> {
    for (const { id } of members) this.#cluster.start(id); // an addition whose answer was lost
    const { membership } = this.#store;
    const learner = members.find((member) => member.isLearner);
    if (learner !== undefined) return await membership.promote(learner.id);
    const voters = members.map((member) => member.id);
    const spare = everyId.find((id) => !this.#cluster.wasUsed(id));
    const { random } = this.#world;
    if (spare !== undefined && (voters.length < votersMin || random.int(2) === 0)) {
      await membership.add({ ...placeOf(spare), isLearner: true });
      return this.#cluster.start(spare);
    }
    if (voters.length >= votersMin) return await membership.remove(voters[random.int(voters.length)] ?? "");
    await membership.moveLeader(voters[random.int(voters.length)] ?? "");
  }

  /** Disks have room again. */
  async disarm(): Promise<void> {
    try {
      for (const alarm of await this.#store.alarm({ action: "list" })) {
        await this.#store.alarm({ action: "disarm", ...alarm });
      }
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** Whoever belongs to the cluster runs; who never will again is taken out. Resolves when that is so. */
  async settle(): Promise<void> {
    await this.#busy;
    await this.disarm();
    for (;;) {
      try {
        const members = await this.#store.membership.list();
        for (const { id } of members) this.#cluster.start(id);
        const dead = members.find(({ id }) => this.#cluster.isGone(id));
        if (dead !== undefined) await this.#store.membership.remove(dead.id);
        else if (members.every(({ id }) => this.#cluster.isUp(id))) {
          this.#cluster.expected = members.map(({ id }) => id);
          return;
        } else await this.#pause(); // one that is starting may yet find that its log has rotted
      } catch (error) {
        if (!(error instanceof StoreError)) throw error;
        await this.#pause();
      }
    }
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => void this.#world.schedule(50, resolve));
  }

  close(): void {
    this.#store.close();
  }
}
