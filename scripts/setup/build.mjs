import { existsSync, readdirSync, statSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

/**
 * Compiles the packages that are older than their sources.
 *
 * @param {string} root The clone.
 */
export async function ensureBuild(root) {
  const packages = readdirSync(join(root, "packages"))
    .map((name) => join(root, "packages", name))
    .filter((folder) => existsSync(join(folder, "tsconfig.json")));
  const stale = packages.filter(isStale);
  if (stale.length === 0) return;
  await step(
    `tsc -b, since ${stale.length} of ${packages.length} packages are not built or have changed`,
    async () => {
      const startedAt = new Date();
      const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
      const { ok, tail } = await runCommand(process.execPath, [compiler, "-b"], { cwd: root });
      if (!ok) throw new SetupError("the build failed: see above", tail);
      // If only a comment changed, or a file was deleted, the compiler does not touch its notes.
      for (const folder of stale) utimesSync(join(folder, "dist", ".tsbuildinfo"), startedAt, startedAt);
    },
  );
}

/** Bundles the client for browsers if one of its inputs has changed: the page of the dashboard needs the bundle. */
export async function ensureWebBuild() {
  // It needs npm packages, which may have been missing when this module was loaded.
  const { buildWeb, findWeb } = await import("../build-web.mjs");
  if (findWeb() !== undefined) return;
  await step("bundling the client for browsers, for the dashboard", async () => {
    try {
      await buildWeb();
    } catch (error) {
      throw new SetupError("the bundle for browsers failed: see above", error.message);
    }
  });
}

/** Whether a file that the compiler reads is newer than its last output. */
function isStale(folder) {
  const built = join(folder, "dist", ".tsbuildinfo");
  if (!existsSync(built)) return true;
  const builtMs = statSync(built).mtimeMs;
  return statSync(join(folder, "tsconfig.json")).mtimeMs > builtMs || isNewer(join(folder, "src"), builtMs);
}

function isNewer(folder, thanMs) {
  // The time of the folder changes when a file is removed.
  if (statSync(folder).mtimeMs > thanMs) return true;
  return readdirSync(folder, { withFileTypes: true }).some((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return isNewer(path, thanMs);
    return !entry.name.endsWith(".test.ts") && statSync(path).mtimeMs > thanMs;
  });
}
