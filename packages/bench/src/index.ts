export { startDemoPublishers } from "./demo/publishers.js";
export { runJoiners, type JoinersOptions, type JoinersRow } from "./fan-out/joiners.js";
export { runFanOut, type FanOutOptions, type FanOutRow } from "./fan-out/run.js";
export { runSlowServer, type SlowServerOptions, type SlowServerRow } from "./pressure/slow-server.js";
export * as wire from "./wire/index.js";
export * as codec from "./codec/index.js";
export * as peers from "./peers/index.js";
export * as component from "./component/index.js";
export * as journal from "./journal/index.js";
