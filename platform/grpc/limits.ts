/** Bounds of gRPC calls. Sizes in bytes. */
export const grpcLimits = {
  /** A message that the server takes: etcd's 1.5 MiB and its 512 KiB for the envelope. */
  requestBytesMax: 2 * 1024 ** 2,
  /** A message that the client takes. */
  responseBytesMax: 512 * 1024 ** 2,
  /** Text of a status; longer ones are cut. */
  messageLengthMax: 4_096,
  /** The longest deadline that is kept; a longer one counts as none. */
  timeoutMsMax: 2 ** 31 - 1,
} as const;
