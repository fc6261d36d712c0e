export { formatComponentReport } from "./report.js";
export { runComponent, type ComponentOptions } from "./run.js";
export type { ComponentRow } from "./slopes.js";
