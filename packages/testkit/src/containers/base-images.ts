import { execFile } from "node:child_process";
import { cpSync, existsSync, mkdirSync, realpathSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Engine } from "./engine.js";

const run = promisify(execFile);

/** What the Dockerfiles build on. */
const DEBIAN_IMAGE = "docker.io/library/debian:bookworm-slim";
const NODE_IMAGE = "docker.io/library/node:22-bookworm-slim";

/** Longest time for one image from a registry, in ms. A network without registries may answer nothing at all. */
const PULL_MS = 120_000;

/**
 * Brings the base images of the Dockerfiles: from a registry, or, where no registry can be reached, made here of
 * Debian's packages and this Node.
 */
export async function ensureBaseImages(engine: Engine, tell: (text: string) => void): Promise<void> {
  if (!(await has(engine, DEBIAN_IMAGE, tell))) await makeDebian(engine, tell);
  if (!(await has(engine, NODE_IMAGE, tell))) await makeNode(engine, tell);
}

async function has(engine: Engine, image: string, tell: (text: string) => void): Promise<boolean> {
  if (await engine.hasImage(image)) return true;
  tell(`pull ${image}`);
  const pulled = engine.podman("pull", "--quiet", image).then(
    () => true,
    () => false,
  );
  const late = new Promise<false>((resolve) => setTimeout(resolve, PULL_MS, false).unref());
  return Promise.race([pulled, late]);
}

async function makeDebian(engine: Engine, tell: (text: string) => void): Promise<void> {
  tell(`no registry can be reached: make ${DEBIAN_IMAGE} by debootstrap`);
  const folder = join(engine.folder, "debian");
  rmSync(folder, { recursive: true, force: true });
  const { stdout } = await run("apt-get", ["indextargets", "--format", "$(REPO_URI)", "Codename: bookworm"]);
  const mirror = stdout.split("\n")[0] ?? "";
  await run("debootstrap", ["--variant=minbase", "bookworm", folder, mirror], { maxBuffer: 2 ** 26 });
  // Where Debian's packages are, and how apt reaches them.
  rmSync(join(folder, "etc/apt/sources.list"), { force: true });
  for (const name of ["sources.list", "sources.list.d", "apt.conf.d"]) {
    const from = join("/etc/apt", name);
    if (existsSync(from)) cpSync(from, join(folder, "etc/apt", name), { recursive: true });
  }
  for (const name of ["var/lib/apt/lists", "var/cache/apt/archives", "usr/share/doc", "usr/share/man"])
    rmSync(join(folder, name), { recursive: true, force: true });
  const archive = join(engine.folder, "debian.tar");
  await run("tar", ["-C", folder, "-cf", archive, "."]);
  await engine.podman("import", "--quiet", archive, DEBIAN_IMAGE);
  rmSync(archive);
  rmSync(folder, { recursive: true });
}

async function makeNode(engine: Engine, tell: (text: string) => void): Promise<void> {
  tell(`make ${NODE_IMAGE} with this machine's Node ${process.versions.node}`);
  const context = join(engine.folder, "node");
  rmSync(context, { recursive: true, force: true });
  mkdirSync(join(context, "local/bin"), { recursive: true });
  cpSync(process.execPath, join(context, "local/bin/node"));
  const { stdout } = await run("npm", ["root", "--global"]);
  const npm = join(stdout.trim(), "npm");
  cpSync(realpathSync(npm), join(context, "local/lib/node_modules/npm"), { recursive: true });
  symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", join(context, "local/bin/npm"));
  writeFileSync(join(context, "Dockerfile"), `FROM ${DEBIAN_IMAGE}\nCOPY local /usr/local\nCMD ["node"]\n`);
  await engine.podman("build", "--quiet", "--tag", NODE_IMAGE, context);
  rmSync(context, { recursive: true });
}
