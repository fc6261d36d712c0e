import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";

/** The program that walks through a store. It lies at the same place for sources and for the build. */
const PROGRAM = fileURLToPath(new URL("../../store-check/check-store.mjs", import.meta.url));

/** What a walk through a store has found. */
interface Findings {
  /** Records that are damaged. */
  readonly records: number;
  /** Entries of journals that are damaged, among those that the walk came to. */
  readonly entries: number;
}

/**
 * Walks through the store `file` in a process of its own, because a damaged file can end a process by a signal. `quick`
 * looks at records, `full` at journals too, until the process is `forMs` old. Resolves to the reason why the store
 * cannot be used as it is. Undefined: it can be used.
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
      // A damaged entry of a journal is reported when it is read. Everything else of the journal can be used.
      resolve(records > 0 ? `${records} records are damaged` : undefined);
    });
  });
}
