import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program that checks a store. The path is right for the sources and for the build. */
const PROGRAM = fileURLToPath(new URL("../../store-check/check-store.mjs", import.meta.url));

/** Numbers of damaged values in a store. */
interface Findings {
  /** Damaged records. */
  readonly records: number;
  /** Damaged entries of journals, of those that the check reached. */
  readonly entries: number;
}

/**
 * Checks the store `file` in a process of its own, because a damaged file can end a process by a signal. `quick` checks
 * records. `full` also checks journals, until the process is `forMs` old, in ms. If the end of the file is missing,
 * both check all journals. Resolves to the reason why the store needs a repair, or to undefined.
 */
export function findDamage(file: string, mode: "quick" | "full", forMs: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(process.execPath, [PROGRAM, file, mode, String(forMs)], (error, stdout, stderr) => {
      if (error !== null) {
        const { signal, code } = error;
        const lastLine =
          stderr
            .trim()
            .split("\n")
            .find((line) => line.includes("Error")) ?? `exit code ${code}`;
        return resolve(`its check ended with ${signal ?? lastLine}`);
      }
      const { records } = JSON.parse(stdout) as Findings;
      // A damaged entry needs no repair: a reader reports it, and can use the rest of the journal.
      resolve(records > 0 ? `${records} records are damaged` : undefined);
    });
  });
}
