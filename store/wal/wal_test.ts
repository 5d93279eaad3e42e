import { crc32c } from "../../base/crc32c.ts";
import { crc32 } from "../../platform/crc32.ts";
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { emptyBytes, fromUtf8, utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { createWorld, type SimHost, type World } from "../../platform/sim/mod.ts";
import type { Entry } from "../raft/messages.ts";
import { StoreError } from "../types.ts";
import { chainStart, decodeSegment, encodeFrame, type WalRecord } from "./codec.ts";
import { openStorage, type Storage } from "./open.ts";
import { LogReplay } from "./recovery.ts";
import { decodeSnapshot, encodeSnapshotHeader } from "./snapshot_codec.ts";

const directory = "/data/member";
const identity = { clusterId: "test", memberId: "s1" };

function command(index: number, term: number, text = `c${index}`): Entry {
  return { index, term, kind: "command", data: utf8(text) };
}
function entries(from: number, to: number, term: number): WalRecord {
  return { kind: "entries", entries: Array.from({ length: to - from + 1 }, (_, i) => command(from + i, term)) };
}
function hardState(term: number, vote: string | null, commit: number): WalRecord {
  return { kind: "hardState", hardState: { term, vote, commit } };
}
function span(list: readonly Entry[]): string {
  return list.map(({ index, term }) => `${index}@${term}`).join(" ");
}

function open(host: SimHost, segmentBytes = 2048): Promise<Storage> {
  return openStorage({ disk: host.platform.disk, directory, identity, segmentBytes });
}

function restart(host: SimHost): void {
  host.crash();
  host.restart();
}

async function refused(world: World, host: SimHost, saying: RegExp): Promise<void> {
  await rejects(
    world.complete(open(host)),
    (error) => error instanceof StoreError && error.code === "Corrupt" && saying.test(error.message),
  );
}

Deno.test("openStorage() gives back what append() made durable, across segments and power losses", async () => {
  const world = createWorld({ seed: 1 });
  const host = world.host("s1");
  let storage = await world.complete(open(host));
  deepEqual(storage.restored.entries, []);
  for (let i = 1; i <= 200; i++) {
    await world.complete(storage.wal.append([hardState(1 + Math.floor(i / 50), "s2", i - 1), entries(i, i, 1)]));
    if (i % 40 !== 0) continue;
    restart(host);
    storage = await world.complete(open(host));
    const { restored } = storage;
    equal(restored.entries.length, i);
    equal(fromUtf8(restored.entries.at(-1)?.data ?? emptyBytes), `c${i}`);
    deepEqual(restored.hardState, { term: 1 + Math.floor(i / 50), vote: "s2", commit: i - 1 });
  }
  ok(storage.wal.segmentCount > 3, `${storage.wal.segmentCount} segments`);
});

Deno.test("a new data directory survives a power loss after the first append: its parents were synced, in 60 crashes", async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const world = createWorld({ seed });
    const host = world.host("s1");
    const { wal } = await world.complete(open(host));
    await world.complete(wal.append([hardState(1, "s2", 0), entries(1, 1, 1)]));
    restart(host);
    const { restored } = await world.complete(open(host));
    deepEqual([restored.hardState.vote, restored.entries.length], ["s2", 1], `seed ${seed}`);
  }
});

Deno.test("append() in one call is one sync, however many records it holds", async () => {
  const world = createWorld({ seed: 2 });
  const { wal } = await world.complete(open(world.host("s1"), 1 << 20));
  const beganMs = world.nowMs;
  await world.complete(wal.append([hardState(1, null, 0), entries(1, 100, 1)]));
  ok(world.nowMs - beganMs < 1.5, "a write of 0.1 ms and a sync of 0.5 ms");
});

Deno.test("a write that a crash tears is cut off, and the log goes on behind the last good frame, in 200 crashes", async () => {
  let torn = 0;
  for (let seed = 1; seed <= 200; seed++) {
    const world = createWorld({ seed });
    const host = world.host("s1");
    const { wal } = await world.complete(open(host, 8192));
    const random = prng(seed);
    const durable = random.int(5);
    for (let i = 1; i <= durable; i++) await world.complete(wal.append([entries(i, i, 1)]));
    void wal.append([{ kind: "entries", entries: [command(durable + 1, 1, "x".repeat(random.int(6000)))] }]);
    await world.run(world.nowMs + random.next() * 0.6);
    restart(host);
    const again = await world.complete(open(host, 8192));
    torn += again.tornBytes > 0 ? 1 : 0;
    const { length } = again.restored.entries;
    ok(length === durable || length === durable + 1, `seed ${seed}: ${length} of ${durable}`);
    await world.complete(again.wal.append([entries(length + 1, length + 1, 2)]));
    restart(host);
    const last = await world.complete(open(host, 8192));
    equal(last.restored.entries.length, length + 1);
    equal(last.tornBytes, 0, "the torn tail was zeroed");
  }
  ok(torn > 20, `${torn} torn writes`);
});

Deno.test("a flipped bit in what was synced is refused as Corrupt, never repaired by forgetting", async () => {
  const random = prng(3);
  let refusedCount = 0;
  for (let round = 0; round < 60; round++) {
    const world = createWorld({ seed: round });
    const host = world.host("s1");
    const { wal } = await world.complete(open(host));
    let lastFrameAt = 0;
    for (let i = 1; i <= 60; i++) {
      if (i === 60) lastFrameAt = lastNonZero(host, wal.segmentCount) + 1;
      await world.complete(wal.append([entries(i, i, 1)]));
    }
    const segment = 1 + random.int(wal.segmentCount);
    const path = segmentPath(segment);
    const used = segment === wal.segmentCount ? lastFrameAt : lastNonZero(host, segment);
    const at = random.int(used);
    host.disk.flipBit(path, at, random.int(8));
    restart(host);
    const damaged = await world.complete(open(host).then(() => false, (error) => error instanceof StoreError));
    // Padding between frames carries nothing; a flip there is seen by no one and harms no one.
    if (damaged) refusedCount++;
    else equal((await world.complete(open(host))).restored.entries.length, 60, `round ${round}, byte ${at}`);
  }
  ok(refusedCount > 50, `${refusedCount} refused`);
});

function segmentPath(number: number): string {
  return `${directory}/${String(number).padStart(16, "0")}.wal`;
}

function lastNonZero(host: SimHost, segment: number): number {
  const bytes = host.disk.peek(segmentPath(segment)) ?? emptyBytes;
  return bytes.findLastIndex((byte) => byte !== 0);
}

Deno.test("a missing segment, a segment of another member, and snapshots without a log are refused", async () => {
  const world = createWorld({ seed: 4 });
  const host = world.host("s1");
  const { wal } = await world.complete(open(host));
  for (let i = 1; i <= 120; i++) await world.complete(wal.append([entries(i, i, 1)]));
  ok(wal.segmentCount > 3);
  const { disk } = host.platform;
  await rejects(
    world.complete(openStorage({ disk, directory, identity: { ...identity, memberId: "s2" }, segmentBytes: 2048 })),
    /belongs to member s1/,
  );
  await world.complete(disk.remove(segmentPath(2)));
  await refused(world, host, /segment 2 is missing/);
});

Deno.test("a snapshot counts only with its mark; older segments and snapshots go after the mark, two snapshots stay", async () => {
  const world = createWorld({ seed: 5 });
  const host = world.host("s1");
  let storage = await world.complete(open(host));
  for (let i = 1; i <= 300; i++) {
    const { wal, snapshots } = storage;
    await world.complete(wal.append([hardState(1, null, i - 1), entries(i, i, 1)]));
    if (i % 60 !== 0) continue;
    const point = { index: i, term: 1 };
    await world.complete(snapshots.write(point, [utf8(`state `), utf8(`${i}`)]));
    if (i === 300) break; // the machine stops before the mark
    await world.complete(wal.append([{ kind: "snapshotMark", point }]));
    const keep = await world.complete(snapshots.prune(point));
    await world.complete(wal.release(keep.index));
  }
  equal(storage.wal.segmentCount < 10, true, `${storage.wal.segmentCount} segments`);
  restart(host);
  storage = await world.complete(open(host));
  equal(fromUtf8(storage.restored.snapshotData ?? emptyBytes), "state 240");
  equal(span(storage.restored.entries.slice(0, 1)), "241@1");
  equal(storage.restored.entries.length, 60);
});

/** A log whose segments have lived before: five snapshots, each of which lets go of what is behind the one before. */
async function recycledLog(world: World, host: SimHost): Promise<{ storage: Storage; last: number }> {
  const storage = await world.complete(open(host));
  const { wal, snapshots } = storage;
  let last = 0;
  for (let round = 1; round <= 5; round++) {
    for (let i = 0; i < 60; i++) {
      last++;
      await world.complete(wal.append([hardState(1, null, last - 1), entries(last, last, 1)]));
    }
    const point = { index: last, term: 1 };
    await world.complete(snapshots.write(point, [utf8(`state ${last}`)]));
    await world.complete(wal.append([{ kind: "snapshotMark", point }]));
    await world.complete(wal.release((await world.complete(snapshots.prune(point))).index));
  }
  return { storage, last };
}

Deno.test("segments are written again, and what they held before is neither read nor taken for damage, in 100 crashes", async () => {
  let stale = 0;
  for (let seed = 1; seed <= 100; seed++) {
    const world = createWorld({ seed });
    const host = world.host("s1");
    const { storage, last } = await recycledLog(world, host);
    const names = await world.complete(host.platform.disk.list(directory));
    ok(names.some((name) => name.startsWith("spare-")), names.join(" "));
    const random = prng(seed);
    const durable = last + random.int(40);
    for (let i = last + 1; i <= durable; i++) await world.complete(storage.wal.append([entries(i, i, 2)]));
    void storage.wal.append([{ kind: "entries", entries: [command(durable + 1, 2, "x".repeat(random.int(1500)))] }]);
    await world.run(world.nowMs + random.next() * 0.8);
    restart(host);
    const segments = (await world.complete(host.platform.disk.list(directory))).filter((name) => name.endsWith(".wal"));
    const bytes = await world.complete(host.platform.disk.readFile(`${directory}/${segments.at(-1)}`));
    if (decodeSegment(bytes, null).tail === "stale") stale++;
    const again = await world.complete(open(host));
    const end = again.restored.entries.at(-1)?.index ?? last;
    ok(end === durable || end === durable + 1, `seed ${seed}: ${end} of ${durable}`);
    await world.complete(again.wal.append([entries(end + 1, end + 1, 3)]));
    restart(host);
    const reopened = await world.complete(open(host));
    equal(reopened.restored.entries.at(-1)?.index, end + 1, `seed ${seed}`);
  }
  ok(stale > 20, `${stale} segments ended in frames of their former life`);
});

Deno.test("a flipped bit in a segment that was written again is refused where it was synced, and nowhere else", async () => {
  const random = prng(8);
  let refusals = 0;
  for (let seed = 1; seed <= 120; seed++) {
    const world = createWorld({ seed });
    const host = world.host("s1");
    const { storage, last } = await recycledLog(world, host);
    for (let i = last + 1; i <= last + 20; i++) await world.complete(storage.wal.append([entries(i, i, 2)]));
    await world.complete(storage.wal.close());
    const segments = (await world.complete(host.platform.disk.list(directory))).filter((name) => name.endsWith(".wal"));
    const name = segments[random.int(segments.length)] ?? "";
    const path = `${directory}/${name}`;
    const content = decodeSegment(await world.complete(host.platform.disk.readFile(path)), null);
    const at = random.int(2048);
    const lastFrame = content.frames.length;
    host.disk.flipBit(path, at, random.int(8));
    const damaged = decodeSegment(await world.complete(host.platform.disk.readFile(path)), null);
    restart(host);
    const opened = await world.complete(open(host)).catch((error) => error);
    if (at >= content.end || damaged.frames.length === lastFrame) { // behind the end, or in a frame's padding
      equal(opened instanceof Error, false, `seed ${seed}: ${opened}`);
      equal(opened.restored.entries.at(-1)?.index, last + 20);
    } else if (name === segments.at(-1) && damaged.frames.length === lastFrame - 1) {
      continue; // the last frame of all: as if its sync had never come back
    } else {
      ok(opened instanceof StoreError && opened.code === "Corrupt", `seed ${seed}: byte ${at} of ${name}`);
      refusals++;
    }
  }
  ok(refusals > 30, `${refusals} refused`);
});

Deno.test("a damaged newest snapshot is passed over for the one before it, whose log is still there", async () => {
  const world = createWorld({ seed: 6 });
  const host = world.host("s1");
  const { wal, snapshots } = await world.complete(open(host));
  for (let i = 1; i <= 100; i++) {
    await world.complete(wal.append([hardState(1, null, i - 1), entries(i, i, 1)]));
    if (i !== 40 && i !== 80) continue;
    const point = { index: i, term: 1 };
    await world.complete(snapshots.write(point, [utf8(`state `), utf8(`${i}`)]));
    await world.complete(wal.append([{ kind: "snapshotMark", point }]));
    await world.complete(wal.release((await world.complete(snapshots.prune(point))).index));
  }
  host.disk.flipBit(`${directory}/snapshot-0000000000000080-0000000000000001`, 35, 3);
  restart(host);
  const { restored } = await world.complete(open(host));
  equal(fromUtf8(restored.snapshotData ?? emptyBytes), "state 40");
  equal(restored.entries.length, 60);
});

Deno.test("a failed sync fails every later append: what the file holds is unknown (fsyncgate)", async () => {
  const world = createWorld({ seed: 7 });
  const host = world.host("s1");
  const { wal } = await world.complete(open(host));
  host.diskFaults.syncErrorRate = 1;
  await rejects(world.complete(wal.append([entries(1, 1, 1)])));
  host.diskFaults.syncErrorRate = 0;
  await rejects(world.complete(wal.append([entries(1, 1, 1)])));
});

function replayOf(records: readonly WalRecord[]): LogReplay {
  const replay = new LogReplay();
  for (const record of records) replay.take(record);
  return replay;
}

Deno.test("LogReplay lets later entries replace earlier ones from their index on (paper §5.3)", () => {
  const replay = replayOf([entries(1, 5, 1), entries(3, 4, 2)]);
  equal(span(replay.entriesAfter({ index: 0, term: 0 }) ?? []), "1@1 2@1 3@2 4@2");
});

Deno.test("LogReplay takes a log whose oldest segment begins with entries replaced from further back", () => {
  const mark: WalRecord = { kind: "snapshotMark", point: { index: 76, term: 2 } };
  const replay = replayOf([entries(75, 75, 1), entries(74, 78, 2), mark]);
  equal(replay.problem, null);
  equal(span(replay.entriesAfter({ index: 76, term: 2 }) ?? []), "77@2 78@2");
});

Deno.test("LogReplay drops the log for a leader's snapshot beyond it, and refuses a hole or a step back behind it", () => {
  const mark = (index: number, term: number): WalRecord => ({ kind: "snapshotMark", point: { index, term } });
  const replaced = replayOf([entries(1, 5, 1), mark(9, 3), entries(10, 11, 3)]);
  equal(span(replaced.entriesAfter({ index: 9, term: 3 }) ?? []), "10@3 11@3");
  equal(replaced.entriesAfter({ index: 0, term: 0 }), null);
  equal(replayOf([entries(1, 5, 1), entries(7, 8, 1)]).problem, "entries 6 to 6 are missing");
  equal(replayOf([entries(1, 5, 1), mark(9, 3), entries(9, 9, 4)]).problem, "entry 9 replaces what a snapshot covers");
  equal(
    replayOf([mark(9, 3)]).entriesAfter({ index: 0, term: 0 }),
    null,
    "a snapshot that cannot be read is not nothing",
  );
});

Deno.test("decodeSegment() gives back what encodeFrame() wrote, and finds every single flipped bit", () => {
  const records: WalRecord[] = [hardState(7, "s3", 12), entries(13, 15, 7), {
    kind: "snapshotMark",
    point: { index: 9, term: 6 },
  }];
  const first = encodeFrame(chainStart, records);
  const second = encodeFrame(first.chain, [hardState(8, null, 15)]);
  const bytes = new Uint8Array(first.bytes.length + second.bytes.length + 64);
  bytes.set(first.bytes);
  bytes.set(second.bytes, first.bytes.length);
  const content = decodeSegment(bytes, chainStart);
  deepEqual([content.tail, content.frames], ["clean", [records, [hardState(8, null, 15)]]]);
  equal(decodeSegment(bytes, { sequence: 0, checksum: 3 }).tail, "corrupt", "a frame of another chain");
  equal(decodeSegment(bytes, { sequence: 3, checksum: 0 }).tail, "stale", "frames of a former life");
  const padded = first.bytes.length - (first.bytes.findLastIndex((byte) => byte !== 0) + 1);
  for (let bit = 0; bit < (first.bytes.length - padded) * 8; bit++) {
    const damaged = bytes.slice();
    damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    equal(decodeSegment(damaged, chainStart).tail, "corrupt", `bit ${bit}`);
  }
  const torn = bytes.slice(0, first.bytes.length + 20);
  deepEqual([decodeSegment(torn, chainStart).tail, decodeSegment(torn, chainStart).end], ["torn", first.bytes.length]);
});

Deno.test("decodeSegment() reads what was written with a CRC-32C, and goes on behind it", () => {
  const old = encodeFrame(chainStart, [hardState(7, "s3", 12)]).bytes.slice();
  const view = new DataView(old.buffer);
  view.setUint32(0, 0x53577231);
  const checksum = crc32c(old.subarray(24, 24 + view.getUint32(4)), crc32c(old.subarray(0, 20)));
  view.setUint32(20, checksum);
  const next = encodeFrame({ sequence: 1, checksum }, [hardState(8, null, 15)]).bytes;
  const content = decodeSegment(new Uint8Array([...old, ...next]), chainStart);
  deepEqual([content.tail, content.frames], ["clean", [[hardState(7, "s3", 12)], [hardState(8, null, 15)]]]);
});

Deno.test("decodeSnapshot() reads one with a CRC-32C", () => {
  const data = utf8("the state of the machine");
  const header = encodeSnapshotHeader({ index: 5, term: 2 }, data.length, 0);
  const view = new DataView(header.buffer, header.byteOffset);
  view.setUint32(0, 0x53577332);
  view.setUint32(4, crc32c(header.subarray(8), crc32c(data)));
  deepEqual(decodeSnapshot(new Uint8Array([...header, ...data]))?.point, { index: 5, term: 2 });
});

Deno.test("decodeSnapshot() refuses a snapshot with any byte changed or missing", () => {
  const data = utf8("the state of the machine");
  const header = encodeSnapshotHeader({ index: 5, term: 2 }, data.length, crc32(data));
  const bytes = new Uint8Array([...header, ...data]);
  deepEqual(decodeSnapshot(bytes)?.point, { index: 5, term: 2 });
  equal(fromUtf8(decodeSnapshot(bytes)?.data ?? emptyBytes), "the state of the machine");
  for (let i = 0; i < bytes.length; i++) {
    const damaged = bytes.slice();
    damaged[i] = (damaged[i] ?? 0) ^ 0x10;
    equal(decodeSnapshot(damaged), null, `byte ${i}`);
  }
  equal(decodeSnapshot(bytes.subarray(0, -1)), null);
});
