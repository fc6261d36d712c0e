import { stat } from "node:fs/promises";

/** Permissions of everybody but the file's owner (POSIX). */
const OTHERS = 0o077;

/** What is wrong with the permissions of a file that holds a secret, and the mend; undefined where nothing is. */
export async function describeExposure(file: string): Promise<string | undefined> {
  // Windows has no such permissions.
  if (process.platform === "win32") return undefined;
  const { mode } = await stat(file);
  if ((mode & OTHERS) === 0) return undefined;
  return `other users of this machine may read ${file}: chmod 600 ${file}`;
}
