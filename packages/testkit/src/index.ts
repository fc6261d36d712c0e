export { dropsChildless, injectFault, LEAN_FAULTS } from "./lean/lean-faults.js";
export { startHttpFaultProxy, type HttpFault, type HttpFaultProxy } from "./proxies/http-fault-proxy.js";
export {
  startStanzaProxy,
  type StanzaDirection,
  type StanzaFilter,
  type StanzaProxy,
} from "./proxies/stanza-proxy.js";
export { startTcpProxy, type TcpProxy } from "./proxies/tcp-proxy.js";
export { startPrivateRedis, type PrivateRedis } from "./redis/private-redis.js";
export { startPrivateSentinel } from "./redis/private-sentinel.js";
export { until } from "./base/until.js";
