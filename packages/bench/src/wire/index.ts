export { WIRE_COMPRESSIONS, WIRE_FORMS, WIRE_SERVERS, WIRE_TRANSPORTS, type WireSelection } from "./axes.js";
export { formatWireReport } from "./report.js";
export type { WireRow } from "./rows.js";
export { runWire, type WireOptions, type WireResult } from "./run.js";
export { WORKLOADS } from "./workloads.js";
