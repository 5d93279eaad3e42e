import { atRevision, type CachedObject, type ChangeType, jsonFrame, type StoredResource } from "./cached.ts";

/** Turns an object into one frame of a watch body. */
export type FrameEncoder = (type: ChangeType, object: CachedObject) => Uint8Array<ArrayBuffer>;

/**
 * One change of one key. Frames are made when the first watcher of that encoding needs them and then shared by all:
 * what an event costs does not grow with the number of its watchers.
 */
export class Change {
  readonly revision: number;
  readonly object: CachedObject | null;
  readonly previous: CachedObject | null;
  readonly #resource: StoredResource;
  #last: CachedObject | undefined;
  readonly #frames = new Map<string, Uint8Array<ArrayBuffer>>();

  constructor(
    resource: StoredResource,
    revision: number,
    object: CachedObject | null,
    previous: CachedObject | null,
  ) {
    this.#resource = resource;
    this.revision = revision;
    this.object = object;
    this.previous = previous;
  }

  /** How a watcher sees the change whose selectors `matches` stands for; null: not at all. Entering is ADDED, leaving DELETED. */
  typeFor(matches: (object: CachedObject) => boolean): ChangeType | null {
    const was = this.previous !== null && matches(this.previous);
    const is = this.object !== null && matches(this.object);
    if (is) return was ? "MODIFIED" : "ADDED";
    return was ? "DELETED" : null;
  }

  /** What the change carries: the new object, or with DELETED the last state under the revision of the change. */
  subject(type: ChangeType): CachedObject | null {
    if (type !== "DELETED") return this.object;
    if (this.previous === null) return null;
    this.#last ??= atRevision(this.#resource, this.previous, this.revision);
    return this.#last;
  }

  /** @param sharedAs frames under one name are encoded once; undefined: never shared */
  frame(type: ChangeType, encode: FrameEncoder, sharedAs: string | undefined): Uint8Array<ArrayBuffer> | null {
    const subject = this.subject(type);
    if (subject === null) return null;
    if (sharedAs === undefined) return encode(type, subject);
    const name = `${sharedAs} ${type}`;
    let frame = this.#frames.get(name);
    if (frame === undefined) {
      frame = encode(type, subject);
      this.#frames.set(name, frame);
    }
    return frame;
  }

  /** Gives back the memory of shared frames; they are made again when a late watcher needs them. */
  dropFrames(): void {
    this.#frames.clear();
    this.#last = undefined;
  }
}

export function encodeJsonFrame(type: ChangeType, object: CachedObject): Uint8Array<ArrayBuffer> {
  return jsonFrame(type, object.bytes);
}
