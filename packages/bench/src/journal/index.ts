export { formatJournalReport } from "./report.js";
export { DURABILITIES, STORES, type JournalRow } from "./rows.js";
export { runJournal, type JournalOptions } from "./run.js";
