import type { Address, FrameConnection, Frames, Listener, Log, TlsIdentity } from "../../platform/mod.ts";
import type { Configuration } from "../raft/configuration.ts";
import type { AppendMessage, MemberId, Message, SnapshotMessage, SnapshotPoint } from "../raft/messages.ts";
import { decodePeerFrame, encodePeerFrame, type PeerFrame, protocolVersion } from "./codec.ts";
import { helloTicks, lingerTicks, maxGuests, maxStrangers } from "./limits.ts";
import { PeerLink } from "./peer_link.ts";
import { SnapshotReceiver, SnapshotSender } from "./snapshot_transfer.ts";

export interface TransportConfig {
  readonly clusterId: string;
  readonly id: MemberId;
  /** Where this member listens; undefined: nowhere, it has no peers. */
  readonly address: Address | undefined;
  readonly tls: TlsIdentity | undefined;
}

/** What the transport tells its member, synchronously. */
export interface TransportEvents {
  onMessage(message: Message): void;
  onNote(from: MemberId, note: Uint8Array): void;
  /** This peer can be talked to. */
  onConnected(member: MemberId): void;
  /** A connection with this peer, of either direction, has ended. */
  onConnectionLost(member: MemberId): void;
  /** Messages to this peer were dropped. */
  onDropped(member: MemberId): void;
  onSnapshotSent(member: MemberId, delivered: boolean): void;
  /** A peer says that this member was removed from the cluster. */
  onRemoved(): void;
  wasRemoved(member: MemberId): boolean;
  /** Who belonged to the cluster at this snapshot. @throws RangeError when the bytes are no snapshot */
  configurationIn(snapshot: Uint8Array): Configuration;
  /** Null: it is not there any more. */
  loadSnapshot(point: SnapshotPoint): Promise<Uint8Array | null>;
}

interface Peer {
  readonly address: Address;
  readonly link: PeerLink;
  readonly receiver: SnapshotReceiver;
  sender: SnapshotSender | null;
  /** The newest connection the peer dialled. */
  incoming: FrameConnection | null;
  /** It was removed, and may still hear of it, or is a guest: ticks left. Null for a member. */
  leavingTicks: number | null;
}

/** Moves messages between members: one dialled connection a peer and direction, snapshots in chunks beside them. */
export class Transport {
  readonly #config: TransportConfig;
  readonly #events: TransportEvents;
  readonly #log: Log;
  readonly #frames: Frames;
  readonly #peers = new Map<MemberId, Peer>();
  /** Accepted connections without a hello yet, and the ticks each has left. */
  readonly #strangers = new Map<FrameConnection, number>();
  #listener: Listener | null = null;
  #closed = false;

  constructor(config: TransportConfig, deps: { frames: Frames; log: Log }, events: TransportEvents) {
    this.#config = config;
    this.#events = events;
    this.#log = deps.log;
    this.#frames = deps.frames;
  }

  /** Listens, then dials the peers. */
  async start(): Promise<void> {
    const { address, tls } = this.#config;
    if (address !== undefined) {
      const options = tls === undefined ? {} : { tls };
      this.#listener = await this.#frames.listen(address, options, (connection) => this.#accept(connection));
    }
    for (const peer of this.#peers.values()) peer.link.tick();
  }

  /** Who the peers are and where, from now on. One that is missing may be talked to for a little longer. */
  setPeers(peers: readonly { readonly id: MemberId; readonly peerAddress: Address }[]): void {
    for (const { id, peerAddress } of peers) {
      const known = this.#peers.get(id);
      if (known?.address === peerAddress) known.leavingTicks = null;
      else if (id !== this.#config.id) {
        if (known !== undefined) this.#forget(id, known); // it has moved
        this.#peers.set(id, this.#meet(id, peerAddress));
      }
    }
    for (const [id, peer] of this.#peers) {
      if (!peers.some((other) => other.id === id)) peer.leavingTicks ??= lingerTicks;
    }
  }

  /** Something that this peer sent or takes can travel now. */
  connected(id: MemberId): boolean {
    return this.#peers.get(id)?.link.connected === true;
  }

  #meet(id: MemberId, address: Address): Peer {
    const { clusterId, id: from, tls, address: own = "" } = this.#config;
    const link = new PeerLink({
      frames: this.#frames,
      address,
      tls,
      hello: { kind: "hello", version: protocolVersion, clusterId, from, to: id, address: own },
      onOpened: () => this.#closed || this.#events.onConnected(id),
      onLost: () => this.#lost(id),
      onFrame: (bytes) => {
        const frame = decodePeerFrame(bytes, { from: id, to: from });
        if (frame?.kind === "removed" && !this.#closed) this.#events.onRemoved();
      },
    });
    return { address, link, receiver: new SnapshotReceiver(), sender: null, incoming: null, leavingTicks: null };
  }

  #forget(id: MemberId, peer: Peer): void {
    this.#peers.delete(id);
    peer.link.close();
    peer.incoming?.close();
    if (peer.sender !== null) this.#endTransfer(id, peer, false);
  }

  send(messages: readonly Message[]): void {
    let last: { readonly append: AppendMessage; readonly bytes: Uint8Array } | null = null;
    for (const message of messages) {
      const peer = this.#peers.get(message.to);
      if (peer === undefined) continue;
      if (message.kind === "snapshot") void this.#sendSnapshot(message, peer);
      else if (!peer.link.canSend) this.#events.onDropped(message.to);
      else if (message.kind !== "append") peer.link.send({ kind: "message", message });
      else {
        // Most of the time all followers lack the same: one encoding serves them all.
        if (last === null || !saysTheSame(message, last.append)) {
          last = { append: message, bytes: encodePeerFrame({ kind: "message", message }) };
        }
        peer.link.sendEncoded(last.bytes);
      }
    }
  }

  /** Past the log, to a peer that can be reached; otherwise it is lost. */
  sendNote(to: MemberId, data: Uint8Array): void {
    this.#peers.get(to)?.link.send({ kind: "note", data });
  }

  tick(): void {
    for (const [connection, ticksLeft] of this.#strangers) {
      if (ticksLeft > 0) this.#strangers.set(connection, ticksLeft - 1);
      else connection.close();
    }
    for (const [id, peer] of this.#peers) {
      if (peer.leavingTicks !== null && peer.leavingTicks-- <= 0) {
        this.#forget(id, peer);
        continue;
      }
      peer.link.tick();
      peer.sender?.tick();
      if (peer.sender?.stalled) this.#endTransfer(id, peer, false);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const peer of this.#peers.values()) {
      peer.link.close();
      peer.incoming?.close();
    }
    for (const connection of this.#strangers.keys()) connection.close();
    await this.#listener?.close();
  }

  #lost(id: MemberId): void {
    if (this.#closed) return;
    const peer = this.#peers.get(id);
    if (peer === undefined) return;
    if (peer.sender !== null) this.#endTransfer(id, peer, false);
    this.#events.onConnectionLost(id);
  }

  // ---- incoming -----------------------------------------------------------------------------------------------

  #accept(connection: FrameConnection): void {
    const secured = this.#config.tls === undefined || connection.peer !== null;
    if (this.#closed || !secured || this.#strangers.size >= maxStrangers) return connection.close();
    this.#strangers.set(connection, helloTicks);
    connection.onClose = () => void this.#strangers.delete(connection);
    connection.onFrame = (bytes) => {
      this.#strangers.delete(connection);
      this.#introduce(connection, decodePeerFrame(bytes, { from: "", to: this.#config.id }));
    };
  }

  #introduce(connection: FrameConnection, hello: PeerFrame | null): void {
    const { clusterId, id } = this.#config;
    const fits = hello?.kind === "hello" && hello.version === protocolVersion && hello.clusterId === clusterId &&
      hello.to === id;
    const from = fits ? hello.from : "";
    const known = this.#peers.get(from);
    if (known === undefined && this.#events.wasRemoved(from)) {
      connection.onFrame = () => {};
      this.#strangers.set(connection, helloTicks); // closed once that has arrived
      return connection.send(encodePeerFrame({ kind: "removed" }));
    }
    const peer = known ?? (fits ? this.#host(from, hello.address) : null);
    if (peer === null) {
      this.#log.warn("refused a connection: not a member of this cluster", { remote: connection.remote });
      return connection.close();
    }
    peer.incoming?.close(); // the peer dials one at a time: the older one is dead, only not yet noticed
    peer.incoming = connection;
    connection.onFrame = (bytes) => this.#receive(from, peer, connection, bytes);
    connection.onClose = () => {
      if (peer.incoming !== connection) return;
      peer.incoming = null;
      this.#lost(from);
    };
    peer.link.hurry();
  }

  /**
   * Who was away while members were added knows none of them, and one of them may lead: only from it can it hear who they
   * are (paper §6; etcd's rafthttp calls them remotes). @return null when there are too many, or it cannot be answered
   */
  #host(id: MemberId, address: Address): Peer | null {
    const guests = [...this.#peers.values()].filter((peer) => peer.leavingTicks !== null).length;
    if (id === "" || id === this.#config.id || address === "" || guests >= maxGuests) return null;
    const guest = this.#meet(id, address);
    guest.leavingTicks = lingerTicks;
    this.#peers.set(id, guest);
    return guest;
  }

  #receive(from: MemberId, peer: Peer, connection: FrameConnection, bytes: Uint8Array): void {
    if (this.#closed || peer.incoming !== connection) return;
    const frame = decodePeerFrame(bytes, { from, to: this.#config.id });
    switch (frame?.kind) {
      case "message":
        return this.#events.onMessage(frame.message);
      case "note":
        return this.#events.onNote(from, frame.data);
      case "chunk":
        return this.#receiveChunk(from, peer, frame);
      case "chunkAck":
        peer.sender?.acknowledge(frame.point, frame.received);
        return this.#moveTransfer(from, peer);
      default:
        this.#log.warn("closed a connection: a frame that cannot be read", { member: from });
        return connection.close();
    }
  }

  // ---- snapshots ----------------------------------------------------------------------------------------------

  async #sendSnapshot(message: SnapshotMessage, peer: Peer): Promise<void> {
    const data = await this.#events.loadSnapshot(message.point).catch(() => null);
    if (this.#closed) return;
    if (data === null || !peer.link.connected) return this.#events.onSnapshotSent(message.to, false);
    peer.sender = new SnapshotSender(message.point, message.term, data);
    this.#moveTransfer(message.to, peer);
  }

  #moveTransfer(to: MemberId, peer: Peer): void {
    if (peer.sender === null) return;
    if (peer.sender.delivered) return this.#endTransfer(to, peer, true);
    for (const frame of peer.sender.next()) {
      if (!peer.link.send(frame)) return this.#endTransfer(to, peer, false);
    }
  }

  #endTransfer(to: MemberId, peer: Peer, delivered: boolean): void {
    peer.sender = null;
    this.#events.onSnapshotSent(to, delivered);
  }

  #receiveChunk(from: MemberId, peer: Peer, frame: Extract<PeerFrame, { kind: "chunk" }>): void {
    const taken = peer.receiver.take(frame);
    if (taken === null) return; // the sender notices by the clock and starts again
    const { point, term } = frame;
    peer.link.send({ kind: "chunkAck", point, received: taken.received });
    const { data } = taken;
    if (data === null) return;
    try {
      const content = { data, configuration: this.#events.configurationIn(data) };
      this.#events.onMessage({ kind: "snapshot", from, to: this.#config.id, term, point, content });
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#log.warn("refused a snapshot that cannot be read", { member: from });
    }
  }
}

/** Of one leader, in one turn: entries are equal when they are the same objects, and with both ends all in between are. */
function saysTheSame(a: AppendMessage, b: AppendMessage): boolean {
  return a.term === b.term && a.prevIndex === b.prevIndex && a.prevTerm === b.prevTerm && a.commit === b.commit &&
    a.entries.length === b.entries.length && a.entries[0] === b.entries[0] && a.entries.at(-1) === b.entries.at(-1);
}
