import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { DemoError } from "../demo/failure.js";
import type { Readings } from "./data.js";
import type { Copy } from "./rows.js";

const run = promisify(execFile);
/** Files of one second may be taken for equal, so the content decides (`--checksum`). */
const OPTIONS = ["--checksum", "--no-whole-file", "--compress", "--stats"];

/**
 * A copy of a file that has a line of JSON for each key, in the order of keys. Two processes of rsync exchange
 * checksums of its blocks and what differs, compressed, and count their bytes of both directions.
 */
export async function createRsyncCopy(readings: Readings, signal: AbortSignal): Promise<Copy> {
  await run("rsync", ["--version"], { signal }).catch((error: unknown) => {
    if (signal.aborted) throw error;
    throw new DemoError("unsupported", "rsync is not installed: `sudo apt-get install rsync`");
  });
  const folder = await mkdtemp(join(tmpdir(), "stanzapack-rsync-"));
  const [from, to] = [join(folder, "map.ndjson"), join(folder, "copy.ndjson")];
  return {
    async catchUp() {
      const lines = [...readings.map].map((entry) => JSON.stringify(entry));
      await writeFile(from, `${lines.join("\n")}\n`);
      const before = performance.now();
      const { stdout } = await run("rsync", [...OPTIONS, from, to], {
        signal,
        env: { ...process.env, LC_ALL: "C" },
      });
      const ms = performance.now() - before;
      const count = (what: string): number =>
        Number(new RegExp(`^Total bytes ${what}: ([\\d,]+)$`, "m").exec(stdout)?.[1]?.replaceAll(",", ""));
      return { bytes: count("sent") + count("received"), ms };
    },
    close: () => rm(folder, { recursive: true, force: true }),
  };
}
