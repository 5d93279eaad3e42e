import { fromUtf8, utf8 } from "../base/bytes.ts";
import type { Address } from "../platform/mod.ts";
import { ByteReader, ByteWriter } from "./raft/binary.ts";
import {
  type Configuration,
  decodeConfiguration,
  isVoter,
  membersOf,
  readConfiguration,
  writeConfiguration,
} from "./raft/configuration.ts";
import type { ClusterMember } from "./types.ts";

export interface MemberAddresses {
  readonly peerAddress: Address;
  readonly clientAddress: Address;
}

/**
 * What a change of members says beside the configuration; travels as the context of a `config` entry. It names every
 * member's addresses as the leader knows them: those that the first members were started with are in no earlier entry.
 */
export interface DirectoryChange {
  readonly members: readonly (MemberAddresses & { readonly id: string })[];
  /** The member that listens elsewhere from now on, whatever anyone was started with; null for other changes. */
  readonly moved: string | null;
}

export function encodeChange(members: DirectoryChange["members"], moved: string | null = null): Uint8Array {
  const listed = members.map(({ id, peerAddress, clientAddress }) => ({ id, peerAddress, clientAddress }));
  return utf8(JSON.stringify({ members: listed, moved } satisfies DirectoryChange));
}

/** "SWm1": what stands before the machine's bytes in a snapshot. Earlier snapshots have no such part. */
const magic = 0x53576d31;

/** Ids that were removed and may not come back: their old data could vote. Beyond it the oldest are forgotten. */
const removedMax = 4096;

/**
 * Who belongs to the cluster at the applied index, and where they said they listen. Replicated: entries of kind `config`
 * change it, snapshots carry it. What a member was *started* with wins over the addresses in here, so a cluster can be
 * stopped and started elsewhere.
 */
export class Directory {
  configuration: Configuration;
  readonly #addresses = new Map<string, MemberAddresses>();
  readonly #removed = new Set<string>();

  constructor(configuration: Configuration) {
    this.configuration = configuration;
  }

  /** The member was in the cluster once and is no longer. */
  wasRemoved(id: string): boolean {
    return this.#removed.has(id);
  }

  addresses(id: string): MemberAddresses | undefined {
    return this.#addresses.get(id);
  }

  /** @param given addresses that this process was started with */
  members(given: ReadonlyMap<string, MemberAddresses>): ClusterMember[] {
    return membersOf(this.configuration).map((id) => {
      const { peerAddress = "", clientAddress = "" } = given.get(id) ?? this.#addresses.get(id) ?? {};
      return { id, peerAddress, clientAddress, isLearner: !isVoter(this.configuration, id) };
    });
  }

  /** Takes over a committed entry of kind `config`. @return the member that has moved, or null */
  apply(data: Uint8Array): string | null {
    const { configuration, context } = decodeConfiguration(data);
    const before = membersOf(this.configuration);
    this.configuration = configuration;
    const after = membersOf(configuration);
    for (const id of before) {
      if (after.includes(id)) continue;
      this.#addresses.delete(id);
      this.#removed.add(id);
      for (const oldest of this.#removed) if (this.#removed.size > removedMax) this.#removed.delete(oldest);
    }
    for (const id of after) this.#removed.delete(id);
    const { members, moved } = readChange(context.length === 0 ? null : JSON.parse(fromUtf8(context)));
    for (const { id, ...addresses } of members) if (after.includes(id)) this.#addresses.set(id, addresses);
    return moved;
  }

  /** The part of a snapshot before the machine's bytes. */
  encode(): Uint8Array {
    const writer = new ByteWriter();
    writer.u32(magic);
    writer.u32(0);
    writeConfiguration(writer, this.configuration);
    writer.u32(this.#addresses.size);
    for (const [id, { peerAddress, clientAddress }] of this.#addresses) {
      writer.text(id);
      writer.text(peerAddress);
      writer.text(clientAddress);
    }
    writer.u32(this.#removed.size);
    for (const id of this.#removed) writer.text(id);
    writer.patchU32(4, writer.length);
    return writer.finish();
  }

  /**
   * Takes over what a snapshot says. @return the machine's bytes
   * @throws RangeError
   */
  restore(snapshot: Uint8Array, otherwise: Configuration): Uint8Array {
    this.#addresses.clear();
    this.#removed.clear();
    const reader = prefixReader(snapshot);
    if (reader === null) {
      this.configuration = otherwise;
      return snapshot;
    }
    const { fields, length } = reader;
    this.configuration = readConfiguration(fields);
    for (let left = fields.u32(); left > 0; left--) {
      this.#addresses.set(fields.text(), { peerAddress: fields.text(), clientAddress: fields.text() });
    }
    for (let left = fields.u32(); left > 0; left--) this.#removed.add(fields.text());
    return snapshot.subarray(length);
  }
}

/** Who belonged to the cluster at this snapshot. @param otherwise for one that does not say @throws RangeError */
export function configurationIn(snapshot: Uint8Array, otherwise: Configuration): Configuration {
  const reader = prefixReader(snapshot);
  return reader === null ? otherwise : readConfiguration(reader.fields);
}

function prefixReader(snapshot: Uint8Array): { fields: ByteReader; length: number } | null {
  if (snapshot.length < 8) return null;
  const head = new ByteReader(snapshot);
  if (head.u32() !== magic) return null;
  const length = head.u32();
  if (length < 8 || length > snapshot.length) throw new RangeError(`a snapshot's first part has ${length} bytes`);
  return { fields: new ByteReader(snapshot.subarray(8, length)), length };
}

function readChange(value: unknown): DirectoryChange {
  if (typeof value !== "object" || value === null) return { members: [], moved: null };
  const { members, moved } = value as { members?: unknown; moved?: unknown };
  const listed = Array.isArray(members) ? members : [];
  return {
    members: listed.flatMap(({ id, peerAddress, clientAddress }: Record<string, unknown>) => {
      const texts = typeof id === "string" && typeof peerAddress === "string" && typeof clientAddress === "string";
      return texts ? [{ id, peerAddress, clientAddress }] : [];
    }),
    moved: typeof moved === "string" ? moved : null,
  };
}
