import { ByteReader, ByteWriter } from "./binary.ts";
import type { MemberId } from "./messages.ts";

/**
 * Who belongs to the cluster (thesis §4). Outside a joint change `outgoing` is empty; inside one, every decision needs a
 * majority of `voters` and one of `outgoing` (§4.3). Lists keep their order: it is the same on every member.
 */
export interface Configuration {
  readonly voters: readonly MemberId[];
  /** The voters of the configuration that is being left. */
  readonly outgoing: readonly MemberId[];
  /** They receive the log and neither vote nor count (§4.2.1). */
  readonly learners: readonly MemberId[];
  /** Voters of `outgoing` that become learners once it is left. */
  readonly learnersNext: readonly MemberId[];
}

export type ConfigurationChange = {
  readonly kind: "addVoter" | "addLearner" | "remove";
  readonly id: MemberId;
};

/** A member that joins knows nobody: it gets the configuration from the log or a snapshot. */
export const noConfiguration: Configuration = { voters: [], outgoing: [], learners: [], learnersNext: [] };

export function votersOnly(voters: readonly MemberId[]): Configuration {
  return { ...noConfiguration, voters };
}

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

export function isVoter({ voters, outgoing }: Configuration, id: MemberId): boolean {
  return voters.includes(id) || outgoing.includes(id);
}

/** Everyone who gets the log, each once. */
export function membersOf({ voters, outgoing, learners, learnersNext }: Configuration): MemberId[] {
  return [...new Set([...voters, ...outgoing, ...learners, ...learnersNext])];
}

/**
 * The configuration after `changes`: a joint one when more than one voter differs, since majorities before and after
 * would not have to meet (§4.1). Null: they leave no voter, or one change is still under way.
 */
export function afterChanges(before: Configuration, changes: readonly ConfigurationChange[]): Configuration | null {
  if (isJoint(before)) return null;
  let voters = [...before.voters];
  let learners = [...before.learners];
  let learnersNext: MemberId[] = [];
  for (const { kind, id } of changes) {
    const voted = before.voters.includes(id);
    learnersNext = learnersNext.filter((other) => other !== id);
    if (kind !== "addLearner" || !voted) learners = learners.filter((other) => other !== id);
    if (kind === "addVoter") {
      if (!voters.includes(id)) voters = [...voters, id];
      continue;
    }
    voters = voters.filter((other) => other !== id);
    if (kind === "addLearner") {
      if (voted) learnersNext = [...learnersNext, id];
      else learners = [...learners, id];
    }
  }
  if (voters.length === 0) return null;
  if (difference(before.voters, voters) > 1) return { voters, outgoing: before.voters, learners, learnersNext };
  return { voters, outgoing: [], learners: [...learners, ...learnersNext], learnersNext: [] };
}

function difference(before: readonly MemberId[], after: readonly MemberId[]): number {
  const gone = before.filter((id) => !after.includes(id)).length;
  return gone + after.filter((id) => !before.includes(id)).length;
}

/** What a joint configuration leads to. */
export function afterLeaving({ voters, learners, learnersNext }: Configuration): Configuration {
  return { voters, outgoing: [], learners: [...learners, ...learnersNext], learnersNext: [] };
}

/**
 * What an entry of kind `config` says: the whole configuration, not the step to it, so that a member needs none of the
 * entries before. `context` is the proposer's: the core carries it and does not look at it.
 */
export function encodeConfiguration(configuration: Configuration, context: Uint8Array): Uint8Array<ArrayBuffer> {
  const writer = new ByteWriter();
  writeConfiguration(writer, configuration);
  writer.bytes(context);
  return writer.finish();
}

/** @throws RangeError */
export function decodeConfiguration(bytes: Uint8Array): { configuration: Configuration; context: Uint8Array } {
  const reader = new ByteReader(bytes);
  return { configuration: readConfiguration(reader), context: reader.bytes() };
}

export function writeConfiguration(writer: ByteWriter, configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext } = configuration;
  for (const ids of [voters, outgoing, learners, learnersNext]) {
    writer.u32(ids.length);
    for (const id of ids) writer.text(id);
  }
}

export function readConfiguration(reader: ByteReader): Configuration {
  const list = () => Array.from({ length: reader.u32() }, () => reader.text());
  return { voters: list(), outgoing: list(), learners: list(), learnersNext: list() };
}
