/** gRPC over our own HTTP/2 (../http2), both ends; it knows bytes, not messages' fields. */
export { type DialHttp2, type GrpcAnswers, GrpcClient, type GrpcClientCall, type GrpcClientOptions } from "./client.ts";
export { grpcLimits } from "./limits.ts";
export {
  type GrpcContext,
  grpcHandler,
  type GrpcMethod,
  type GrpcMethods,
  type GrpcStream,
  type StreamHandler,
} from "./server.ts";
export { grpcCode, GrpcError } from "./status.ts";
