import { deepEqual, equal, ok } from "node:assert/strict";
import { utf8 } from "../../base/bytes.ts";
import { prng } from "../../base/prng.ts";
import { maxFrameBytes } from "../../platform/limits.ts";
import { createWorld } from "../../platform/sim/mod.ts";
import { noConfiguration } from "../raft/configuration.ts";
import { raftLimits } from "../raft/limits.ts";
import type { Message } from "../raft/messages.ts";
import { maxCommandBytes } from "../replica/limits.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame, protocolVersion } from "./codec.ts";
import {
  lingerTicks,
  maxGuests,
  maxPeerBufferedBytes,
  snapshotChunkBytes,
  snapshotStallTicks,
  snapshotWindowChunks,
} from "./limits.ts";
import { SnapshotReceiver, SnapshotSender } from "./snapshot_transfer.ts";
import { Transport, type TransportEvents } from "./transport.ts";

const link = { from: "a", to: "b" };
const head = { ...link, term: 9_007_199_254_740_991 };
const messages: readonly Message[] = [
  { kind: "preVote", ...head, lastIndex: 4, lastTerm: 2, transfer: false },
  { kind: "vote", ...head, lastIndex: 4, lastTerm: 2, transfer: true },
  { kind: "preVoteAnswer", ...head, granted: true },
  { kind: "voteAnswer", ...head, granted: false },
  {
    kind: "append",
    ...head,
    prevIndex: 7,
    prevTerm: 3,
    commit: 6,
    entries: [
      { index: 8, term: 3, kind: "noop", data: utf8("") },
      { index: 9, term: 4, kind: "command", data: utf8("hello") },
    ],
  },
  { kind: "append", ...head, prevIndex: 7, prevTerm: 3, commit: 6, entries: [] },
  { kind: "appendAccepted", ...head, match: 5 },
  { kind: "appendRefused", ...head, prevIndex: 5, hintIndex: 4, hintTerm: 2 },
  { kind: "heartbeat", ...head, commit: 5, readSequence: 77 },
  { kind: "commit", ...head, commit: 5 },
  { kind: "heartbeatAnswer", ...head, readSequence: 77, wantsCommits: true },
  { kind: "heartbeatAnswer", ...head, readSequence: 78, wantsCommits: false },
  { kind: "readIndex", ...head, context: 3 },
  { kind: "readIndexAnswer", ...head, context: 3, index: 12 },
  { kind: "timeoutNow", ...head },
];
const frames: readonly PeerFrame[] = [
  ...messages.map((message) => ({ kind: "message", message }) as const),
  { kind: "hello", version: protocolVersion, clusterId: "c", from: "a", to: "b", address: "tcp:a:2380" },
  { kind: "chunk", term: 3, point: { index: 9, term: 2 }, total: 10, offset: 5, data: utf8("hello") },
  { kind: "chunkAck", point: { index: 9, term: 2 }, received: 10 },
  { kind: "removed" },
  { kind: "note", data: new Uint8Array([1, 2, 3]) },
];

Deno.test("decodePeerFrame() gives back every kind of frame that encodePeerFrame() writes", () => {
  for (const frame of frames) {
    const { entries = [] } = frame.kind === "message" && frame.message.kind === "append" ? frame.message : {};
    const got = decodePeerFrame(encodePeerFrame(frame), link);
    deepEqual(JSON.stringify(got), JSON.stringify(frame), `${frame.kind} with ${entries.length} entries`);
  }
});

Deno.test("decodePeerFrame() answers null to what is cut short, longer, or random, and never throws", () => {
  const random = prng(5);
  for (const frame of frames) {
    const bytes = encodePeerFrame(frame);
    for (let cut = 0; cut < bytes.length; cut++) equal(decodePeerFrame(bytes.subarray(0, cut), link), null);
    equal(decodePeerFrame(new Uint8Array([...bytes, 0]), link), null);
    for (let i = 0; i < 200; i++) {
      const damaged = bytes.slice();
      damaged[random.int(damaged.length)] = random.int(256);
      decodePeerFrame(damaged, link);
    }
  }
});

Deno.test("an append frame with the largest command fits a frame, and a peer's queue holds one", () => {
  ok(raftLimits.maxAppendBytes + maxCommandBytes + 4096 < maxPeerBufferedBytes);
  ok(maxPeerBufferedBytes < maxFrameBytes);
  ok(snapshotChunkBytes * snapshotWindowChunks < maxPeerBufferedBytes, "a window of chunks leaves room for messages");
});

function chunks(sender: SnapshotSender): Extract<PeerFrame, { kind: "chunk" }>[] {
  return sender.next().flatMap((frame) => frame.kind === "chunk" ? [frame] : []);
}

Deno.test("a snapshot of any size arrives whole through windows of chunks, and is delivered once", () => {
  for (const size of [0, 1, snapshotChunkBytes, snapshotChunkBytes * 20 + 7]) {
    const data = new Uint8Array(size).map((_, i) => i % 251);
    const point = { index: 9, term: 2 };
    const sender = new SnapshotSender(point, 3, data);
    const receiver = new SnapshotReceiver();
    let got: Uint8Array | null = null;
    for (let round = 0; round < 100 && !sender.delivered; round++) {
      const window = chunks(sender);
      ok(window.length <= snapshotWindowChunks);
      for (const chunk of window) {
        const taken = receiver.take(chunk);
        ok(taken !== null);
        sender.acknowledge(point, taken.received);
        got = taken.data ?? got;
      }
    }
    equal(sender.delivered, true);
    deepEqual(got?.length, size);
    ok(got?.every((byte, i) => byte === i % 251));
  }
});

Deno.test("SnapshotReceiver refuses a chunk out of order; SnapshotSender stalls when nothing is acknowledged", () => {
  const sender = new SnapshotSender({ index: 9, term: 2 }, 3, new Uint8Array(snapshotChunkBytes * 3));
  const receiver = new SnapshotReceiver();
  const [first, second, third] = chunks(sender);
  ok(first && second && third);
  ok(receiver.take(first));
  equal(receiver.take(third), null);
  for (let i = 0; i < snapshotStallTicks; i++) sender.tick();
  equal(sender.stalled, true);
});

Deno.test("Transport refuses strangers: another cluster, another addressee, no member, no hello at all", async () => {
  const world = createWorld({ seed: 1 });
  const seen: Message[] = [];
  const events: TransportEvents = {
    onMessage: (message) => void seen.push(message),
    onNote: () => {},
    onConnected: () => {},
    onConnectionLost: () => {},
    onDropped: () => {},
    onSnapshotSent: () => {},
    onRemoved: () => {},
    wasRemoved: (member) => member === "gone",
    configurationIn: () => noConfiguration,
    loadSnapshot: () => Promise.resolve(null),
  };
  const { network, log } = world.host("a").platform;
  const transport = new Transport(
    { clusterId: "c", id: "a", address: "tcp:a:2380", tls: undefined },
    { frames: network.frames, log },
    events,
  );
  transport.setPeers([{ id: "b", peerAddress: "tcp:b:2380" }]);
  await world.complete(transport.start());
  const message: PeerFrame = { kind: "message", message: { kind: "timeoutNow", from: "b", to: "a", term: 1 } };
  const address = "tcp:b:2380";
  const hello = { kind: "hello", version: protocolVersion, clusterId: "c", from: "b", to: "a", address } as const;
  const attempts: [PeerFrame, boolean][] = [
    [{ ...hello, clusterId: "other" }, false],
    [{ ...hello, to: "b" }, false],
    [{ ...hello, from: "mallory", address: "" }, false],
    [{ ...hello, version: protocolVersion + 1 }, false],
    [message, false],
    [hello, true],
  ];
  for (const [opening, welcome] of attempts) {
    const connection = await world.complete(world.host("b").platform.network.frames.dial("tcp:a:2380", {}));
    let closed = false;
    connection.onClose = () => void (closed = true);
    connection.send(encodePeerFrame(opening));
    connection.send(encodePeerFrame(message));
    await world.run(world.nowMs + 50);
    deepEqual([closed, seen.length], [!welcome, welcome ? 1 : 0], JSON.stringify(opening));
  }
  const connection = await world.complete(world.host("b").platform.network.frames.dial("tcp:a:2380", {}));
  const told: (string | undefined)[] = [];
  connection.onFrame = (bytes) => void told.push(decodePeerFrame(bytes, { from: "a", to: "gone" })?.kind);
  connection.send(encodePeerFrame({ ...hello, from: "gone" }));
  await world.run(world.nowMs + 50);
  deepEqual(told, ["removed"]);
  await world.complete(transport.close());
});

Deno.test("Transport takes in a bounded number of members that it has not heard of, and talks back to them for a while", async () => {
  const world = createWorld({ seed: 1 });
  const [seen, dialled]: [string[], string[]] = [[], []];
  const events: TransportEvents = {
    onMessage: ({ from }) => void seen.push(from),
    onNote: () => {},
    onConnected: () => {},
    onConnectionLost: () => {},
    onDropped: () => {},
    onSnapshotSent: () => {},
    onRemoved: () => {},
    wasRemoved: () => false,
    configurationIn: () => noConfiguration,
    loadSnapshot: () => Promise.resolve(null),
  };
  const { network, log } = world.host("a").platform;
  const config = { clusterId: "c", id: "a", address: "tcp:a:2380", tls: undefined };
  const transport = new Transport(config, { frames: network.frames, log }, events);
  await world.complete(transport.start());
  const names = Array.from({ length: maxGuests + 1 }, (_, i) => `new${i}`);
  for (const name of names) {
    const { frames } = world.host(name).platform.network;
    const address = `tcp:${name}:2380`;
    await world.complete(frames.listen(address, {}, () => void dialled.push(name)));
    const connection = await world.complete(frames.dial("tcp:a:2380", {}));
    connection.send(
      encodePeerFrame({ kind: "hello", version: protocolVersion, clusterId: "c", from: name, to: "a", address }),
    );
    connection.send(
      encodePeerFrame({ kind: "message", message: { kind: "timeoutNow", from: name, to: "a", term: 1 } }),
    );
    await world.run(world.nowMs + 50);
  }
  deepEqual(seen, names.slice(0, maxGuests));
  deepEqual(dialled, names.slice(0, maxGuests));
  equal(transport.connected("new0"), true);
  transport.setPeers([{ id: "new1", peerAddress: "tcp:new1:2380" }]);
  for (let i = 0; i < lingerTicks + 2; i++) transport.tick();
  equal(transport.connected("new0"), false);
  equal(transport.connected("new1"), true);
  await world.complete(transport.close());
});
