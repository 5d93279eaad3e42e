export { type ProxyConfig, type ProxyDeps, startProxy } from "./proxy.ts";
