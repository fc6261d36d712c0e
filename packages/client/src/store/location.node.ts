import { readdir } from "node:fs/promises";
import { StanzapackError } from "@stanzapack/wire";

/** What the database writes updates into. */
const DATA_FILE = /\.(?:log|ldb|sst)$/;

/**
 * Gives what lets go of it. Here the database has a lock of its own; but in a directory that has lost the file `CURRENT` it would begin
 * anew and delete what else is there: that is `store-failed`.
 */
export async function holdLocation(location: string): Promise<() => void> {
  const files: string[] = await readdir(location).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  if (!files.includes("CURRENT") && files.some((file) => DATA_FILE.test(file)))
    throw new StanzapackError(
      "store-failed",
      `the store ${location} is damaged: it has lost its file CURRENT. Give another location, and keep this one: what it holds may not be delivered`,
    );
  return () => undefined;
}
