export { FAULT_KINDS, type FaultKind } from "./faults.js";
export { runRound, type CrashRow } from "./round.js";
export { startStage, TRANSPORTS, type LogDurability, type Stage } from "./stage.js";
