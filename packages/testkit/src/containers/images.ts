import { existsSync, mkdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ServerKind } from "@stanzapack/sandbox";
import { engineOf, folderOf, isEngineInstalled, type Engine } from "./engine.js";

/** The component's image, and the same with another label, for the test of an upgrade. */
export const IMAGE = "localhost/stanzapack:0.1.0";
export const NEXT_IMAGE = "localhost/stanzapack:next";

/** A machine with systemd, for the test of the unit. */
export const SYSTEMD_IMAGE = "localhost/stanzapack-systemd:test";

export const COMPOSE_FILES: Readonly<Record<ServerKind, string>> = {
  prosody: "docker/compose.prosody.yml",
  ejabberd: "docker/compose.ejabberd.yml",
};

/** Added to the file of either server, it makes three nodes of the component. */
export const NODES_FILE = "docker/compose.nodes.yml";

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
  const build = async (files: readonly string[], service: string): Promise<void> => {
    tell(`build the image of ${service} in ${files.join(" and ")}`);
    const paths = files.map((file) => join(root, file));
    const output = await engine.compose(paths, "stanzapack", {}, ...args, "build", service);
    if (!/^exit code: 0$/m.test(output))
      throw new Error(`podman-compose build failed:\n${output.slice(-5_000)}`);
  };
  for (const file of Object.values(COMPOSE_FILES))
    for (const service of ["xmpp", "component", "nginx"]) await build([file], service);
  await build([COMPOSE_FILES.prosody, NODES_FILE], "redis1");
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
  // Not at its own path: there, a package that writes this file would fail.
  const inside = "/run/authorities.pem";
  return [
    "--network=host",
    ...(authorities === undefined
      ? []
      : [`--volume=${authorities}:${inside}:ro`, `--build-arg=NODE_EXTRA_CA_CERTS=${inside}`]),
  ];
}

/** Whether an engine and the images of a clone are there, and no source is newer. */
export async function areImagesCurrent(root: string): Promise<boolean> {
  const built = join(folderOf(root), BUILT);
  if (!existsSync(built) || !isEngineInstalled()) return false;
  const builtAt = new Date(await readFile(built, "utf8"));
  const packages = ["wire", "xmpp", "client", "component", "dashboard", "sandbox", "estimate", "cli"];
  const folders = [...packages.map((name) => `packages/${name}/src`), "docker"];
  for (const folder of folders) {
    for (const name of await readdir(join(root, folder), { recursive: true }))
      if (!name.endsWith(".test.ts") && statSync(join(root, folder, name)).mtime > builtAt) return false;
  }
  const engine = engineOf(root);
  return (await engine.hasImage(IMAGE)) && (await engine.hasImage(NEXT_IMAGE));
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
