import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Longest output of one command, in bytes. A build writes some hundred KB. */
const MAX_OUTPUT_BYTES = 64 * 1024 * 1024;

/**
 * Podman with settings, images and containers of its own in one folder. So it neither sees nor changes the user's. It
 * also runs on machines without systemd, with cgroups of version 1, and with low limits.
 */
export class Engine {
  private readonly env: NodeJS.ProcessEnv;

  /** @param folder Is made if it is missing. */
  constructor(readonly folder: string) {
    const path = (name: string): string => join(folder, name);
    mkdirSync(folder, { recursive: true });
    const storage = { graphroot: path("storage"), runroot: path("run") };
    writeFileSync(
      path("storage.conf"),
      [
        "[storage]",
        `driver = "overlay"`,
        `graphroot = ${JSON.stringify(storage.graphroot)}`,
        `rootless_storage_path = ${JSON.stringify(storage.graphroot)}`,
        `runroot = ${JSON.stringify(storage.runroot)}`,
        "",
      ].join("\n"),
    );
    writeFileSync(
      path("containers.conf"),
      [
        "[containers]",
        "# runc cannot raise a limit above that of its parent.",
        `default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]`,
        `log_driver = "k8s-file"`,
        "[engine]",
        `runtime = "runc"`,
        `cgroup_manager = "cgroupfs"`,
        `events_logger = "file"`,
        "[network]",
        `network_backend = "netavark"`,
        `network_config_dir = ${JSON.stringify(path("networks"))}`,
        "",
      ].join("\n"),
    );
    this.env = {
      ...process.env,
      CONTAINERS_CONF: path("containers.conf"),
      CONTAINERS_STORAGE_CONF: path("storage.conf"),
      // The format of OCI has no health checks.
      BUILDAH_FORMAT: "docker",
      // Health checks on a timer need systemd. Tests run them by hand.
      DISABLE_HC_SYSTEMD: "true",
    };
  }

  /** Runs `podman` to its end. Returns its stdout without white space at the end. Rejects with its stderr. */
  async podman(...args: readonly string[]): Promise<string> {
    return (await this.run("podman", args)).stdout.trimEnd();
  }

  /**
   * Runs `podman-compose` to its end, with variables for the compose files. Returns its stdout, then its stderr. Rejects
   * with both if it fails. podman-compose also succeeds where a command of podman fails: look at the result.
   */
  async compose(
    files: readonly string[],
    project: string,
    variables: Readonly<Record<string, string>>,
    ...args: readonly string[]
  ): Promise<string> {
    const all = [...files.flatMap((file) => ["--file", file]), "--project-name", project, ...args];
    const { stdout, stderr } = await this.run("podman-compose", all, variables);
    return `${stdout}\n${stderr}`;
  }

  /** Whether this image is here. */
  async hasImage(image: string): Promise<boolean> {
    return this.podman("image", "exists", image).then(
      () => true,
      () => false,
    );
  }

  private async run(
    program: string,
    args: readonly string[],
    variables: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly stdout: string; readonly stderr: string }> {
    const env = { ...this.env, ...variables };
    try {
      return await run(program, args, { env, maxBuffer: MAX_OUTPUT_BYTES });
    } catch (error) {
      const { stdout = "", stderr = "", message } = error as Error & { stdout?: string; stderr?: string };
      const output = `${stdout}${stderr}`.trim() || message;
      throw new Error(`${program} ${args.join(" ")} failed:\n${output}`, { cause: error });
    }
  }
}

/** The folder of a clone's engine. */
export function folderOf(root: string): string {
  return join(root, "tmp", "containers");
}

/** The engine of a clone, whose images `npm run test:containers` builds. */
export function engineOf(root: string): Engine {
  return new Engine(folderOf(root));
}

/** Whether the programs of the engine are installed. */
export function isEngineInstalled(): boolean {
  const folders = (process.env["PATH"] ?? "").split(":");
  return ["podman", "podman-compose", "runc"].every((name) =>
    [...folders, "/usr/sbin"].some((folder) => existsSync(join(folder, name))),
  );
}
