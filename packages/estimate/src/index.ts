export { adviseOn, formatBytes, formatCut, formatDelay, formatHop, judge } from "./advice.js";
export {
  formatDataStanza,
  formatJsonStanza,
  formatLeanStanza,
  LINK_ENVELOPE,
  readId,
  readPayload,
  type Envelope,
} from "./envelope.js";
export { Estimator, type Cut, type EstimateRow, type EstimatorOptions } from "./estimator.js";
export { FORMS, type Form } from "./forms.js";
export type { Compression, Transport } from "./hops.js";
export { blockOf, createLaneBatch, LaneReader, LaneRun, type SentBody } from "./lane-run.js";
export { SyncFlushMeter } from "./sync-flush-meter.js";
