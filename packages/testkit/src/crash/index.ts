export { FAULT_KINDS, type FaultKind } from "./faults.js";
export { runRound, type CrashRow } from "./round.js";
export { Residents, type ResidentFault } from "./residents.js";
export { startStage, TRANSPORTS, type LogDurability, type Stage } from "./stage.js";
