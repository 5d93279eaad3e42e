import { emptyBytes } from "../../base/bytes.ts";
import type { SnapshotPoint, Term } from "../raft/messages.ts";
import type { PeerFrame } from "./codec.ts";
import { maxSnapshotBytes, snapshotChunkBytes, snapshotStallTicks, snapshotWindowChunks } from "./limits.ts";

/** One snapshot on its way to one member: a window of chunks, moved on by acknowledgements. Pure. */
export class SnapshotSender {
  readonly point: SnapshotPoint;
  readonly #term: Term;
  readonly #data: Uint8Array;
  #sent = 0;
  #acknowledged = 0;
  #idleTicks = 0;
  #started = false;

  constructor(point: SnapshotPoint, term: Term, data: Uint8Array) {
    this.point = point;
    this.#term = term;
    this.#data = data;
  }

  get delivered(): boolean {
    return this.#started && this.#acknowledged >= this.#data.length;
  }
  get stalled(): boolean {
    return this.#idleTicks >= snapshotStallTicks;
  }

  tick(): void {
    this.#idleTicks++;
  }

  acknowledge(point: SnapshotPoint, received: number): void {
    if (point.index !== this.point.index || received > this.#sent || received <= this.#acknowledged) return;
    this.#acknowledged = received;
    this.#idleTicks = 0;
  }

  /** Chunks that the window lets through now. */
  next(): PeerFrame[] {
    const frames: PeerFrame[] = [];
    const { point } = this;
    const head = { kind: "chunk", term: this.#term, point, total: this.#data.length } as const;
    if (!this.#started && this.#data.length === 0) frames.push({ ...head, offset: 0, data: emptyBytes });
    this.#started = true;
    while (
      this.#sent < this.#data.length && this.#sent - this.#acknowledged < snapshotWindowChunks * snapshotChunkBytes
    ) {
      const data = this.#data.subarray(this.#sent, this.#sent + snapshotChunkBytes);
      frames.push({ ...head, offset: this.#sent, data });
      this.#sent += data.length;
    }
    return frames;
  }
}

/** Chunks of one snapshot coming in, in order. Pure. */
export class SnapshotReceiver {
  #point: SnapshotPoint | null = null;
  #buffer = emptyBytes;
  #received = 0;

  /** @return what to acknowledge, and the data once it is whole; null for a chunk that fits nothing */
  take(frame: Extract<PeerFrame, { kind: "chunk" }>): { received: number; data: Uint8Array | null } | null {
    if (frame.offset === 0) {
      if (frame.total > maxSnapshotBytes) return null;
      this.#point = frame.point;
      this.#buffer = new Uint8Array(frame.total);
      this.#received = 0;
    }
    const same = this.#point?.index === frame.point.index && this.#point.term === frame.point.term;
    const fits = frame.total === this.#buffer.length && frame.offset + frame.data.length <= frame.total;
    if (!same || !fits || frame.offset !== this.#received) return null;
    this.#buffer.set(frame.data, frame.offset);
    this.#received += frame.data.length;
    if (this.#received < frame.total) return { received: this.#received, data: null };
    const data = this.#buffer;
    this.#point = null;
    this.#buffer = emptyBytes;
    return { received: this.#received, data };
  }
}
