import { spawn } from "node:child_process";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { brotliCompressSync, constants } from "node:zlib";
import type { Value } from "@stanzapack/wire";
import { columnsOf } from "./columns.js";

/** Size of all values at once in the best general compressors, in bytes. */
export interface FileBound {
  readonly brotliBytes: number;
  /** Null if `xz` is not installed. */
  readonly xzBytes: number | null;
}

export async function measureFileBound(rows: readonly Value[]): Promise<FileBound> {
  const file = Buffer.from(formatColumns(rows));
  const brotli = brotliCompressSync(file, {
    params: {
      [constants.BROTLI_PARAM_QUALITY]: constants.BROTLI_MAX_QUALITY,
      [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS,
      [constants.BROTLI_PARAM_SIZE_HINT]: file.length,
    },
  });
  return { brotliBytes: brotli.length, xzBytes: await xz(file) };
}

/** Column after column, one value a line: text unchanged, an empty line for a missing value. */
function formatColumns(rows: readonly Value[]): string {
  const lines: string[] = [];
  for (const column of columnsOf(rows).values())
    for (const value of column)
      lines.push(value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value));
  return lines.join("\n");
}

async function xz(file: Buffer): Promise<number | null> {
  const child = spawn("xz", ["-9e", "--stdout"], { stdio: ["pipe", "pipe", "ignore"] });
  try {
    await once(child, "spawn");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  child.stdin.end(file);
  return (await buffer(child.stdout)).length;
}
