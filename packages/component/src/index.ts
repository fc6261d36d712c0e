export { createComponent, type StreamsComponent } from "./component.js";
export { configSchema, type ComponentConfig, type ComponentLimits, type ConfigFile } from "./config.js";
export { loadConfig, parseConfig, type ResolvedConfig } from "./load-config.js";
export type { Reloaded } from "./reload.js";
export type { ComponentStats } from "./stats.js";
