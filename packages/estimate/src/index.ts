export { formatBoshAnswer, formatDataStanza, formatJsonStanza, namespaced, readPayload } from "./envelope.js";
export { createLaneBatch, LaneReader, LaneRun, type SentBody } from "./lane-run.js";
export { SyncFlushMeter } from "./sync-flush-meter.js";
