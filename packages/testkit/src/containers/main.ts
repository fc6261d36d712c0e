// `npm run test:containers`
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { ensureBaseImages } from "./base-images.js";
import { engineOf } from "./engine.js";
import { buildImages, compressedBytes, IMAGE } from "./images.js";

const ROOT = fileURLToPath(new URL("../../../..", import.meta.url)).replace(/\/$/, "");

/** Most bytes of the component's image in a registry. */
const MAX_COMPRESSED_BYTES = 200_000_000;

const USAGE = `Usage: npm run test:containers -- [--keep]

Builds the images of docker/ with podman, and tests the compose files with them: a client outside subscribes to a
service inside, behind each server, with one node and with three. Runs the unit of docker/systemd in a container with
systemd. Installs podman where it is missing. Where no registry can be reached, makes the base images of Debian's
packages and of this Node. Images and containers are in the folder tmp/containers of the clone.

  --keep    do not build the images again if they are there
  --help    print this text

Exit status: 0 all well, or no container engine can run here, which the command says; 1 a test failed; 2 wrong usage.
`;

function tell(text: string): void {
  process.stderr.write(`${(performance.now() / 1_000).toFixed(1).padStart(6)} s  ${text}\n`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({ options: { keep: { type: "boolean" }, help: { type: "boolean" } } });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const engine = engineOf(ROOT);
  try {
    await engine.podman("info");
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n`);
    process.stderr.write("SKIPPED: no container engine can run here. NOTHING OF docker/ WAS TESTED.\n");
    return 0;
  }
  // What a killed run has left. The engine is this clone's own.
  await engine.podman("rm", "--all", "--force");
  await engine.podman("volume", "rm", "--all", "--force");
  await ensureBaseImages(engine, tell);
  if (values.keep !== true || !(await engine.hasImage(IMAGE))) await buildImages(engine, ROOT, tell);
  const bytes = await compressedBytes(engine, IMAGE);
  tell(`${IMAGE} has ${(bytes / 1e6).toFixed(1)} MB compressed`);
  if (bytes > MAX_COMPRESSED_BYTES)
    throw new Error(`${IMAGE} has over ${MAX_COMPRESSED_BYTES / 1e6} MB compressed`);
  return runTests();
}

const FILES = ["test/containers.test.ts", "test/node-containers.test.ts", "test/systemd-unit.test.ts"];

/** Runs the end-to-end files in which containers are not skipped. Resolves to their exit status. */
function runTests(): Promise<number> {
  const args = ["node_modules/vitest/vitest.mjs", "run", "--project", "e2e", ...FILES];
  const env = { ...process.env, STANZAPACK_CONTAINERS: "required" };
  const child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: "inherit" });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (status) => resolve(status ?? 1));
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  const wrongUsage = code?.startsWith("ERR_PARSE_ARGS") === true;
  process.stderr.write(
    wrongUsage ? `${USAGE}\nstanzapack: usage: ${message}\n` : `stanzapack: internal: ${message}\n`,
  );
  process.exitCode = wrongUsage ? 2 : 1;
}
