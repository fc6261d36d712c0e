export { startHttpFaultProxy, type HttpFault, type HttpFaultProxy } from "./http-fault-proxy.js";
export {
  startStanzaProxy,
  type StanzaDirection,
  type StanzaFilter,
  type StanzaProxy,
} from "./stanza-proxy.js";
export { startTcpProxy, type TcpProxy } from "./tcp-proxy.js";
export { until } from "./until.js";
