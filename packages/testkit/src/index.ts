export { startTcpProxy, type TcpProxy } from "./tcp-proxy.js";
export { until } from "./until.js";
