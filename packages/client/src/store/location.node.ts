import { readdir } from "node:fs/promises";
import { StanzapackError } from "@stanzapack/wire";

/** Files into which the database writes updates. */
const DATA_FILE = /\.(?:log|ldb|sst)$/;

/**
 * Resolves to a function that does nothing, because the database locks the directory itself. In a directory that has
 * lost its file `CURRENT`, the database would start anew and delete the other files. So this rejects with
 * `store-failed`.
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
