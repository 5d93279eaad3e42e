/**
 * A response whose whole body is at hand. A server that writes its own frames takes `whole` as it is, with its
 * length, where reading it out of a stream again would cost more than sending it.
 */
export class BytesResponse extends Response {
  readonly whole: Uint8Array<ArrayBuffer>;

  constructor(bytes: Uint8Array<ArrayBuffer>, init: ResponseInit) {
    super(bytes, init);
    this.whole = bytes;
  }
}
