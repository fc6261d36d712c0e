import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { SetupError, step } from "./say.mjs";

/**
 * Installs the packages of package-lock.json, unless they are installed.
 *
 * @param {string} root The clone.
 */
export async function ensureNpmPackages(root) {
  const reason = whyInstall(root);
  if (reason !== undefined) {
    await step(`npm ci, since ${reason}`, async () => {
      // `include=dev`: with NODE_ENV=production npm would leave out the compiler and the tests' tools.
      const { ok, tail } = await runCommand("npm", ["ci", "--include=dev"], { cwd: root });
      if (!ok)
        throw new SetupError("npm ci failed: see above; it needs npm's registry or a cache of it", tail);
    });
  }
  const unlinked = missingCommands(root);
  if (unlinked.length > 0) {
    await step(`linking ${unlinked.join(", ")}, since its file was missing when npm ran`, async () => {
      const { ok, tail } = await runCommand("npm", ["rebuild", "--ignore-scripts", ...unlinked], {
        cwd: root,
      });
      if (!ok) throw new SetupError("npm rebuild failed: see above", tail);
    });
  }
}

/**
 * Says why to install, or nothing. Compares contents, not times: `git checkout` changes the time of the lock file, a
 * copy of the clone changes both times.
 */
function whyInstall(root) {
  const installedFile = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(installedFile)) return "node_modules is missing";
  const wanted = packagesOf(join(root, "package-lock.json"));
  const installed = packagesOf(installedFile);
  for (const [path, entry] of Object.entries(wanted)) {
    if (!path.startsWith("node_modules/") && !path.includes("/node_modules/")) continue;
    const there = installed[path];
    // Packages for other processors and systems are optional, and never installed here.
    if (there === undefined && !entry.optional && !entry.peer) return `${path} is missing`;
    const same =
      there === undefined || (there.version === entry.version && there.integrity === entry.integrity);
    if (!same) return `${path} is not at ${entry.version}`;
  }
  return undefined;
}

function packagesOf(file) {
  return JSON.parse(readFileSync(file, "utf8")).packages;
}

/** Names of workspaces whose command exists but is not linked yet. */
function missingCommands(root) {
  const packages = join(root, "packages");
  return readdirSync(packages).flatMap((folder) => {
    const manifestFile = join(packages, folder, "package.json");
    if (!existsSync(manifestFile)) return [];
    const { name, bin = {} } = JSON.parse(readFileSync(manifestFile, "utf8"));
    const unlinked = Object.entries(bin).some(
      ([command, file]) =>
        existsSync(join(packages, folder, file)) && !existsSync(join(root, "node_modules", ".bin", command)),
    );
    return unlinked ? [name] : [];
  });
}
