// Plain JavaScript, since scripts/run.mjs needs it too, in a clone that is not built yet.
import { createWriteStream, fstatSync } from "node:fs";

/**
 * Makes standard output whole or the exit status 1. Node's own stream for files drops what a full disk did not take of a write, and
 * tells of errors when the process may be gone already. Whoever calls `process.exit` waits for the last write before.
 * A reader that has seen enough (`| head`, EPIPE) is no failure.
 */
export function guardOutput() {
  // As bigints: in Node 20 the numbers of a pipe make the module loader take the next symbolic link for a folder.
  const kind = fstatSync(1, { bigint: true });
  if (!process.stdout.isTTY && !kind.isFIFO() && !kind.isSocket()) {
    const stream = createWriteStream("", { fd: 1, autoClose: false });
    Object.defineProperty(process, "stdout", { configurable: true, enumerable: true, get: () => stream });
  }
  process.stdout.on("error", (error) => {
    if (error.code === "EPIPE") return;
    process.stderr.write(`stanzapack: output-failed: the output could not be written (${error.message})\n`);
    process.exit(1);
  });
}
