export { createComponent, type StreamsComponent } from "./component.js";
export type { ComponentOptions } from "./config/component-options.js";
export { createLogger } from "./base/component-logger.js";
export {
  configSchema,
  type ComponentConfig,
  type ComponentLimits,
  type ConfigFile,
} from "./config/config.js";
export { formatConfig } from "./config/format-config.js";
export {
  loadConfig,
  parseConfig,
  readConfig,
  resolveConfig,
  type ResolvedConfig,
  type ResolvedRedisStore,
} from "./config/load-config.js";
export { STREAM_DOWN } from "./metrics/monitoring.js";
export { inspectStore, type StoreState } from "./store/disk/inspect.js";
export { inspectRedis } from "./store/open-store.js";
export type { RedisState } from "./store/redis/inspect.js";
export type { NeededSetting } from "./store/redis/server-check.js";
export type { Reloaded } from "./config/reload.js";
export type { ComponentStats } from "./base/stats.js";
export {
  OWN_SERVICES,
  type ClientRow,
  type ComponentRow,
  type NodeRow,
  type ServiceRow,
} from "./overview/rows.js";
