import type { Platform } from "../platform/mod.ts";
import { type ClusterMember, connectStore, type Store, StoreError } from "../store/mod.ts";
import { CliError, exitCode } from "./errors.ts";
import { dataDirectory, layout, withLock, writeTextAtomic } from "./home.ts";
import { askReload, askStatus } from "./lifecycle.ts";
import {
  etcdHost,
  etcdServerIdentity,
  etcdUrl,
  firstStoreMembers,
  maxStoreNumber,
  storeClientAddress,
  storeClientAddresses,
  storeMembers,
  storeName,
  storePeerAddress,
} from "./plan.ts";
import { type ClusterSpec, parseSpec } from "./spec.ts";

/** Members of the store that come and go while the cluster runs: a place in the log, a process, and an etcd gateway each. */

type StoreMembers = NonNullable<ClusterSpec["storeMembers"]>;

/** etcd advises no more than seven. */
const membersMax = 7;
const pollMs = 50;

/** Writes who belongs to the store into the spec, which every process reads when it starts. */
export async function changeStoreMembers(
  directory: string,
  change: (members: StoreMembers) => StoreMembers,
): Promise<ClusterSpec> {
  const path = `${directory}/${layout.spec}`;
  return await withLock(`${directory}/${layout.specLock}`, async () => {
    const spec = parseSpec(await Deno.readTextFile(path), path);
    const members = spec.storeMembers ?? { numbers: firstStoreMembers(spec), next: spec.controlPlanes };
    const changed = { ...spec, storeMembers: change(members) };
    await writeTextAtomic(path, JSON.stringify(changed, null, 2) + "\n");
    return changed;
  });
}

/** @param name `store-3` */
export function without(name: string): (members: StoreMembers) => StoreMembers {
  return ({ numbers, next }) => ({ numbers: numbers.filter((number) => storeName(number) !== name), next });
}

/**
 * Adds a member and starts its process and its gateway. It joins as a learner, so that it counts for no quorum until it has
 * the data, and votes from then on, unless it is to stay a learner.
 */
export async function addMember(
  spec: ClusterSpec,
  options: { readonly learner: boolean; readonly waitMs: number },
  platform: Platform,
): Promise<{ readonly name: string; readonly endpoint: string }> {
  requireOwnMembers(spec);
  const deadline = performance.now() + options.waitMs;
  return await withStore(spec, platform, async (store) => {
    const present = await store.membership.list();
    if (present.length >= membersMax) {
      throw new CliError(
        exitCode.failed,
        `Cannot add a member: the store has ${present.length}, and ${membersMax} are the most`,
      );
    }
    // The number is spent first: whatever fails from here on, no other member will be known by it.
    const claimed = await changeStoreMembers(dataDirectory(spec.name), ({ numbers, next }) => {
      if (next > maxStoreNumber) {
        throw new CliError(exitCode.failed, "Cannot add a member: all its addresses were used");
      }
      return { numbers, next: next + 1 };
    });
    const number = (claimed.storeMembers?.next ?? 1) - 1;
    const name = storeName(number);
    await writeCertificate(claimed, number);
    const addresses = { peerAddress: storePeerAddress(number), clientAddress: storeClientAddress(number) };
    await store.membership.add({ id: name, ...addresses, isLearner: true });
    const add = ({ numbers, next }: StoreMembers) => ({ numbers: [...numbers, number], next });
    await changeStoreMembers(dataDirectory(spec.name), add);
    await askReload(spec.name, platform);
    await ready(spec, [name, `etcd-${number}`], deadline, platform);
    while (!options.learner && !await promoted(store, name)) {
      if (performance.now() > deadline) throw late(`${name} has not caught up with the others: it is a learner`);
      await platform.timers.sleep(pollMs);
    }
    return { name, endpoint: etcdUrl(spec, number) };
  });
}

/** Takes a member out, whichever it is, and ends its process and its gateway. Its data stay where they are. */
export async function removeMember(spec: ClusterSpec, name: string, platform: Platform): Promise<void> {
  requireOwnMembers(spec);
  await withStore(spec, platform, (store) => store.membership.remove(name));
  await changeStoreMembers(dataDirectory(spec.name), without(name));
  await askReload(spec.name, platform);
}

/** Lets a learner vote. */
export async function promoteMember(spec: ClusterSpec, name: string, platform: Platform): Promise<void> {
  requireOwnMembers(spec);
  await withStore(spec, platform, (store) => store.membership.promote(name));
}

export interface MemberRow extends ClusterMember {
  readonly leader: boolean;
  /** Where its gateway listens; null: this cluster runs no such member. */
  readonly endpoint: string | null;
}

export async function listMembers(spec: ClusterSpec, platform: Platform): Promise<MemberRow[]> {
  requireOwnMembers(spec);
  return await withStore(spec, platform, async (store) => {
    const [members, { leaderId }] = await Promise.all([store.membership.list(), store.status()]);
    const running = new Map(storeMembers(spec).map((number) => [storeName(number), number]));
    return members.map((member) => {
      const number = running.get(member.id);
      return {
        ...member,
        leader: member.id === leaderId,
        endpoint: number === undefined ? null : etcdUrl(spec, number),
      };
    });
  });
}

function requireOwnMembers(spec: ClusterSpec): void {
  if (spec.store !== undefined) {
    throw new CliError(
      exitCode.failed,
      `The store of cluster "${spec.name}" is an etcd, which has members of its own`,
      {
        hint: "etcdctl member list",
      },
    );
  }
  if (spec.allInOne === true) {
    throw new CliError(
      exitCode.failed,
      `Cluster "${spec.name}" is one process: a member of its store has none to itself`,
    );
  }
}

async function withStore<T>(spec: ClusterSpec, platform: Platform, work: (store: Store) => Promise<T>): Promise<T> {
  if (await askStatus(spec.name, platform) === null) {
    throw new CliError(exitCode.notReady, `Cluster "${spec.name}" does not run`, {
      hint: `deno task cluster start --name ${spec.name}`,
    });
  }
  const before = Deno.cwd();
  Deno.chdir(dataDirectory(spec.name)); // the members' sockets are named relative to it
  const store = connectStore({ endpoints: storeClientAddresses(spec) }, platform);
  try {
    return await work(store);
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    throw new CliError(exitCode.failed, error.message, { cause: error });
  } finally {
    store.close();
    Deno.chdir(before);
  }
}

/** False: it has not caught up yet, or there is no leader to say so. */
async function promoted(store: Store, name: string): Promise<boolean> {
  try {
    await store.membership.promote(name);
    return true;
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    if (error.code === "NotLearner") return true; // an answer that was lost
    if (["LearnerNotReady", "NotLeader", "NoLeader", "Unavailable"].includes(error.code)) return false;
    throw error;
  }
}

async function ready(spec: ClusterSpec, names: readonly string[], deadline: number, platform: Platform): Promise<void> {
  for (;;) {
    const components = (await askStatus(spec.name, platform))?.components ?? [];
    const missing = names.filter((name) => components.every((each) => each.name !== name || !each.ready));
    if (missing.length === 0) return;
    if (performance.now() > deadline) throw late(`Not ready in time: ${missing.join(", ")}`);
    await platform.timers.sleep(pollMs);
  }
}

function late(message: string): CliError {
  return new CliError(exitCode.notReady, message, {
    hint: "deno task cluster status shows it; member remove undoes it",
  });
}

/** The gateways that the cluster began with share a certificate, which does not know the new one's address. */
async function writeCertificate(spec: ClusterSpec, number: number): Promise<void> {
  const directory = `${dataDirectory(spec.name)}/${layout.pki}`;
  const read = (file: string) => Deno.readTextFile(`${directory}/${file}`);
  const { loadAuthority } = await import("./pki.ts");
  const authority = await loadAuthority({ cert: await read("etcd-ca.crt"), key: await read("etcd-ca.key") });
  const { cert, key } = await authority.issue({
    commonName: "etcd",
    names: ["localhost", etcdHost(spec, number)],
    usage: "both",
  });
  const file = `${directory}/${etcdServerIdentity(spec, number)}`;
  await writeTextAtomic(`${file}.crt`, cert);
  await writeTextAtomic(`${file}.key`, key);
}
