import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * Builds what has changed before the end-to-end tests, which run on what is built: the packages, and the client for
 * browsers. Throws if one of them fails.
 */
export function setup(): void {
  for (const command of [["node_modules/typescript/bin/tsc", "-b"], ["scripts/build-web.mjs"]])
    execFileSync(process.execPath, command, { cwd: ROOT, stdio: ["inherit", "ignore", "inherit"] });
}
