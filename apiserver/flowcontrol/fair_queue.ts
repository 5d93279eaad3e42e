import { Deque } from "../../base/deque.ts";

export interface QueueShape {
  readonly queues: number;
  /** How many queues a flow is dealt; it waits in the shortest of them. */
  readonly handSize: number;
  /** Of each queue. */
  readonly lengthLimit: number;
}

export interface Waiting {
  /** Called once, when the request has a seat. */
  readonly start: () => void;
  /** False once it has given up. */
  waiting: boolean;
  /** Virtual time at which its service would begin. */
  readonly tag: number;
  readonly queue: Queue;
}

interface Queue {
  readonly requests: Deque<Waiting>;
  /** Of those, how many still wait. */
  length: number;
  /** Virtual time at which the service of the last that came would end. */
  finish: number;
}

/**
 * The requests that wait at one priority level, served fairly: flows are dealt a hand of queues each (shuffle sharding), so
 * that a heavy flow fills its own hand and another's hand hardly ever lies wholly within it; queues are served by start-time
 * fair queueing, each request counting as one (upstream counts seats times seconds). A flow's own requests may overtake each
 * other, since they wait in several queues.
 * @see KEP-1040; Goyal, Vin, Cheng: Start-time fair queueing (SIGCOMM 1996)
 */
export class FairQueue {
  readonly #queues: Queue[];
  readonly #shape: QueueShape;
  #virtual = 0;
  #waiting = 0;

  constructor(shape: QueueShape) {
    this.#shape = shape;
    this.#queues = Array.from(
      { length: shape.queues },
      () => ({ requests: new Deque<Waiting>(), length: 0, finish: 0 }),
    );
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Null: the flow's queues are full. @param flow a hash of it, 32 bits */
  add(flow: number, start: () => void): Waiting | null {
    const queue = this.#shortest(flow);
    if (queue.length >= this.#shape.lengthLimit) return null;
    const tag = Math.max(this.#virtual, queue.finish);
    queue.finish = tag + 1;
    const request = { start, waiting: true, tag, queue };
    queue.requests.push(request);
    queue.length++;
    this.#waiting++;
    return request;
  }

  /** One that waited gives up. */
  giveUp(request: Waiting): void {
    if (!request.waiting) return;
    request.waiting = false;
    this.#waiting--;
    // All wait equally long, so that whoever gives up is at the front of its queue.
    this.#skip(request.queue);
  }

  /** Gives a seat to the request whose turn it is. False: nobody waits. */
  next(): boolean {
    if (this.#waiting === 0) return false;
    let best: Queue | null = null;
    let bestTag = Infinity;
    for (const queue of this.#queues) {
      const tag = this.#skip(queue)?.tag ?? Infinity;
      if (tag < bestTag) {
        best = queue;
        bestTag = tag;
      }
    }
    const request = best?.requests.shift();
    if (best === null || request === undefined) return false;
    best.length--;
    this.#waiting--;
    this.#virtual = request.tag;
    request.waiting = false;
    request.start();
    return true;
  }

  /** The queue's first that still waits; those before it are thrown away. */
  #skip(queue: Queue): Waiting | undefined {
    for (;;) {
      const first = queue.requests.at(0);
      if (first === undefined || first.waiting) return first;
      queue.requests.shift();
      queue.length--;
    }
  }

  #shortest(flow: number): Queue {
    let best: Queue | null = null;
    for (const index of hand(flow, this.#shape.queues, this.#shape.handSize)) {
      const queue = this.#queues[index] as Queue;
      this.#skip(queue);
      if (best === null || queue.length < best.length) best = queue;
    }
    return best as Queue;
  }
}

/** `size` different numbers below `deck`, the same for the same flow. */
export function hand(flow: number, deck: number, size: number): number[] {
  const dealt: number[] = [];
  let state = flow >>> 0;
  for (let i = 0; i < Math.min(size, deck); i++) {
    // A step of splitmix32 for each card.
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = state ^ (state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    mixed ^= mixed >>> 15;
    let card = (mixed >>> 0) % (deck - i);
    // The card-th of those that are left.
    for (const taken of [...dealt].sort((a, b) => a - b)) if (card >= taken) card++;
    dealt.push(card);
  }
  return dealt;
}

/** FNV-1a of both parts. */
export function flowHash(schema: string, distinguisher: string): number {
  let hash = 0x811c9dc5;
  for (const part of [schema, distinguisher]) {
    for (let i = 0; i < part.length; i++) hash = Math.imul(hash ^ part.charCodeAt(i), 0x01000193);
    hash = Math.imul(hash ^ 0xff, 0x01000193);
  }
  return hash >>> 0;
}
