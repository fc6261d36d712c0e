import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import type { ServerKind } from "@stanzapack/sandbox";
import { engineOf, folderOf, isEngineInstalled, type Engine } from "./engine.js";

const run = promisify(execFile);

/** What the Dockerfiles build on. */
const DEBIAN_IMAGE = "docker.io/library/debian:bookworm-slim";
const NODE_IMAGE = "docker.io/library/node:22-bookworm-slim";

/** Longest time for one image from a registry, in ms. A network without registries may answer nothing at all. */
const PULL_MS = 120_000;

/** The component's image, and the same with another label, for the test of an upgrade. */
export const IMAGE = "localhost/stanzapack:0.1.0";
export const NEXT_IMAGE = "localhost/stanzapack:next";

/** A machine with systemd, for the test of the unit. */
export const SYSTEMD_IMAGE = "localhost/stanzapack-systemd:test";

export const COMPOSE_FILES: Readonly<Record<ServerKind, string>> = {
  prosody: "docker/compose.prosody.yml",
  ejabberd: "docker/compose.ejabberd.yml",
};

/** Is written after a build of all images, so that a later run knows how old they are. */
const BUILT = "built";

/**
 * Builds all images of the compose files.
 *
 * @param root The clone.
 * @param tell Receives what is being done.
 */
export async function buildImages(engine: Engine, root: string, tell: (text: string) => void): Promise<void> {
  const startedAt = new Date().toISOString();
  const args = buildArguments().map((arg) => `--podman-build-args=${arg}`);
  for (const [server, file] of Object.entries(COMPOSE_FILES)) {
    for (const service of ["xmpp", "component", "nginx"]) {
      tell(`build the image of ${service} in ${file}`);
      const output = await engine.compose(
        join(root, file),
        `stanzapack-${server}`,
        {},
        ...args,
        "build",
        service,
      );
      if (!/^exit code: 0$/m.test(output))
        throw new Error(`podman-compose build failed:\n${output.slice(-5_000)}`);
    }
  }
  tell(`build ${NEXT_IMAGE}, for the test of an upgrade`);
  const context = join(engine.folder, "next");
  mkdirSync(context, { recursive: true });
  writeFileSync(
    join(context, "Dockerfile"),
    `FROM ${IMAGE}\nLABEL org.opencontainers.image.version="next"\n`,
  );
  await engine.podman("build", "--quiet", "--tag", NEXT_IMAGE, context);
  tell(`build ${SYSTEMD_IMAGE}, for the test of the unit`);
  const file = join(root, "test/support/systemd/Dockerfile");
  await engine.podman("build", "--quiet", ...buildArguments(), "--tag", SYSTEMD_IMAGE, "--file", file, root);
  writeFileSync(join(engine.folder, BUILT), startedAt);
}

/**
 * The build shares this machine's network, names and authorities. So npm and apt work in the build where they work
 * here, also behind a proxy.
 */
function buildArguments(): string[] {
  const authorities = process.env["NODE_EXTRA_CA_CERTS"];
  return [
    "--network=host",
    ...(authorities === undefined
      ? []
      : [`--volume=${authorities}:${authorities}:ro`, `--build-arg=NODE_EXTRA_CA_CERTS=${authorities}`]),
  ];
}

/** Whether an engine and the images of a clone are there, and no source is newer. */
export async function areImagesCurrent(root: string): Promise<boolean> {
  const built = join(folderOf(root), BUILT);
  if (!existsSync(built) || !isEngineInstalled()) return false;
  const builtAt = new Date(await readFile(built, "utf8"));
  const packages = ["wire", "xmpp", "client", "component", "sandbox", "estimate", "cli"];
  const folders = [...packages.map((name) => `packages/${name}/src`), "docker"];
  for (const folder of folders) {
    for (const name of await readdir(join(root, folder), { recursive: true }))
      if (!name.endsWith(".test.ts") && statSync(join(root, folder, name)).mtime > builtAt) return false;
  }
  const engine = engineOf(root);
  return (await engine.hasImage(IMAGE)) && (await engine.hasImage(NEXT_IMAGE));
}

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

/** Bytes of an image as a registry keeps it: its layers, compressed by gzip. */
export async function compressedBytes(engine: Engine, image: string): Promise<number> {
  const folder = join(engine.folder, "pushed");
  rmSync(folder, { recursive: true, force: true });
  await engine.podman("push", "--quiet", "--compress", image, `dir:${folder}`);
  const sizes = (await readdir(folder)).map((name) => statSync(join(folder, name)).size);
  rmSync(folder, { recursive: true });
  return sizes.reduce((sum, size) => sum + size, 0);
}
