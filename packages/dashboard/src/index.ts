export { createDashboard, type Dashboard, type DashboardOptions } from "./server/dashboard.js";
export type { Comparison, ComparisonRow } from "./model/comparison.js";
export type { DashboardSettings } from "./model/settings.js";
