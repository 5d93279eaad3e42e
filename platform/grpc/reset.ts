import { errorCode } from "../http2/mod.ts";
import { grpcCode } from "./status.ts";

/** The status that a reset stands for (the protocol's table of HTTP/2 error codes). */
export function codeOfReset(code: number): number {
  switch (code) {
    case errorCode.refusedStream:
      return grpcCode.unavailable;
    case errorCode.cancel:
      return grpcCode.cancelled;
    case errorCode.enhanceYourCalm:
      return grpcCode.resourceExhausted;
    case errorCode.inadequateSecurity:
      return grpcCode.permissionDenied;
    default:
      return grpcCode.internal;
  }
}
