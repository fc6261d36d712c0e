export { formatCodecReport } from "./report.js";
export type { CodecRow } from "./rows.js";
export { runCodec, type CodecOptions } from "./run.js";
export { ROW_SETS } from "../workloads/rows.js";
