import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program that checks a store. The path is right for the sources and for the build. */
const PROGRAM = fileURLToPath(new URL("../../../store-check/check-store.mjs", import.meta.url));

/** What the program found in a store. */
interface Findings {
  /** Undefined: it cannot be read, or the store is empty. */
  readonly version?: number;
  /** Damaged records. */
  readonly records: number;
  /** Damaged entries of journals, of those that the check reached. */
  readonly entries: number;
}

/** The state of a store. */
export interface Verdict {
  /** Undefined: it cannot be read, or the store is empty. */
  readonly version: number | undefined;
  /** Why the store needs a repair. Undefined: it needs none. */
  readonly damage: string | undefined;
}

/**
 * Checks the store `file` in a process of its own, because a damaged file can end a process by a signal. `quick` checks
 * records. `full` also checks journals, until the process is `forMs` old, in ms. If the end of the file is missing,
 * both check all journals. A store of another version than `version` has no damage: nobody here knows its records.
 */
export function checkStore(
  file: string,
  mode: "quick" | "full",
  forMs: number,
  version: number,
): Promise<Verdict> {
  return new Promise((resolve) => {
    const args = [PROGRAM, file, mode, String(forMs), String(version)];
    execFile(process.execPath, args, (error, stdout, stderr) => {
      if (error !== null) {
        const { signal, code } = error;
        const lastLine =
          stderr
            .trim()
            .split("\n")
            .find((line) => line.includes("Error")) ?? `exit code ${code}`;
        return resolve({ version: undefined, damage: `its check ended with ${signal ?? lastLine}` });
      }
      const { records, version: found } = JSON.parse(stdout) as Findings;
      // A damaged entry needs no repair: a reader reports it, and can use the rest of the journal.
      resolve({ version: found, damage: records > 0 ? `${records} records are damaged` : undefined });
    });
  });
}
