export { formatCatchUpReport } from "./report.js";
export { FORMS, type CatchUpForm, type CatchUpRow } from "./rows.js";
export { runCatchUp, type CatchUpOptions } from "./run.js";
