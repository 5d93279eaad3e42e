/** etcd v3, both ways: a gateway that serves it, and a store that lives in a real etcd. */
export { compactRevKey, startCompactor } from "./compactor.ts";
export { connectEtcd, type EtcdStoreConfig, type EtcdStoreDeps } from "./etcd_store.ts";
export { createGateway, type Gateway, type GatewayConfig } from "./gateway.ts";
