import { stat } from "node:fs/promises";

/** Permissions of everybody but the file's owner (POSIX). */
const OTHERS = 0o077;

/** Says that others may read a file with a secret, and what to do. Undefined if only the owner may read it. */
export async function describeExposure(file: string): Promise<string | undefined> {
  // Windows has no POSIX permissions.
  if (process.platform === "win32") return undefined;
  const { mode } = await stat(file);
  if ((mode & OTHERS) === 0) return undefined;
  return `other users of this machine may read ${file}: chmod 600 ${file}`;
}
