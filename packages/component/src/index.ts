export { createComponent, type ComponentOptions, type StreamsComponent } from "./component.js";
export { createLogger } from "./component-logger.js";
export { configSchema, type ComponentConfig, type ComponentLimits, type ConfigFile } from "./config.js";
export { loadConfig, parseConfig, type ResolvedConfig } from "./load-config.js";
export type { Reloaded } from "./reload.js";
export type { ComponentStats } from "./stats.js";
