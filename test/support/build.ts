import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** Builds what has changed before the end-to-end tests, which run on what is built. Throws if it does not compile. */
export function setup(): void {
  execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-b"], { cwd: ROOT, stdio: "inherit" });
}
