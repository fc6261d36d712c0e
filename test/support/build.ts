import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds what has changed before the end-to-end tests, which run on what is built: the packages, and the client for
 * browsers. Throws if one of them fails.
 */
export function setup(): void {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { cwd: ROOT, stdio: "inherit" });
  // It prints its sizes, which are of no interest here.
  execFileSync(process.execPath, ["scripts/build-web.mjs"], {
    cwd: ROOT,
    stdio: ["ignore", "ignore", "inherit"],
  });
}
