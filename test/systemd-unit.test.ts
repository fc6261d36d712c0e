import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startSandbox } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import { engineOf, SYSTEMD_IMAGE } from "@stanzapack/testkit/containers";
import { expect, it, onTestFailed, onTestFinished } from "vitest";
import { eventually } from "./support/eventually.js";
import { COMMAND } from "./support/program.js";

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "");
const UNIT = join(ROOT, "docker/systemd/stanzapack.service");

/** Debian's node, which `verify` looks for. */
const NODE = "/usr/bin/node";
const ANALYZE = "/usr/bin/systemd-analyze";

it.skipIf(!existsSync(ANALYZE) || !existsSync(NODE))(
  "systemd finds no fault in the unit, and rates it as hardly exposed",
  async () => {
    const verified = await run(ANALYZE, ["verify", UNIT]);
    expect(verified.stdout + verified.stderr).toBe("");
    // Rejects above the threshold, which is in tenths: 2.0 of 10.
    await run(ANALYZE, ["security", "--offline=true", "--threshold=20", "--no-pager", UNIT]);
  },
);

/** Values of a key of the unit, in order. */
async function settings(key: string): Promise<string[]> {
  const lines = (await readFile(UNIT, "utf8")).split("\n");
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1));
}

it("the unit's command runs with the variables and files that systemd would give it", async () => {
  const sandbox = await startSandbox({ server: "prosody", users: [] });
  const folder = await mkdtemp(join(tmpdir(), "stanzapack-unit-"));
  onTestFinished(async () => {
    await sandbox.stop();
    await rm(folder, { recursive: true });
  });
  const [state, credentials] = [join(folder, "state"), join(folder, "credentials")];
  for (const path of [state, credentials]) await mkdir(path, { mode: 0o700 });
  const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
  const [credential = ""] = await settings("LoadCredential");
  await writeFile(join(credentials, credential.split(":")[0] as string), secret, { mode: 0o400 });
  const config = join(folder, "stanzapack.yml");
  await writeFile(config, `component: { domain: ${domain}, port: ${sandbox.ports.component} }\n`);

  const [command = ""] = await settings("ExecStart");
  const [node, file, ...args] = command.split(" ");
  expect([node, file]).toEqual([NODE, "/opt/stanzapack/node_modules/stanzapack/bin/stanzapack.js"]);
  const variables = (await settings("Environment")).map((it) => it.replace("%d", credentials).split("="));
  const child = spawn(
    process.execPath,
    [COMMAND, ...args.map((arg) => arg.replace("/etc/stanzapack/stanzapack.yml", config))],
    {
      stdio: ["ignore", "ignore", "pipe"],
      // systemd passes on nothing else of its own environment that matters here.
      env: { ...(Object.fromEntries(variables) as Record<string, string>), STATE_DIRECTORY: state },
    },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => (log += chunk.toString()));
  onTestFailed(() => void process.stderr.write(`the component logged:\n${log}`));
  const ended = once(child, "close");
  await until(() => log.includes(`"msg":"online"`), 10_000, "the connection");
  expect(await settings("ExecReload")).toEqual([`/bin/sh -c 'kill -HUP $MAINPID'`]);
  child.kill("SIGHUP");
  await until(() => log.includes("config file read again"), 10_000, "the reload");
  expect((await stat(join(state, "data.mdb"))).size).toBeGreaterThan(0);
  expect(log).not.toContain("the secret is exposed");
  child.kill("SIGTERM");
  expect(await ended).toEqual([0, null]);
});

// systemd must be the first process of its machine. `npm run test:containers` has made such a machine.
it.skipIf(process.env["STANZAPACK_CONTAINERS"] !== "required")(
  "systemd starts, reloads, restarts and stops the component, and confines it",
  async () => {
    const engine = engineOf(ROOT);
    const name = `stanzapack-systemd-${process.pid}`;
    await engine.podman(
      ...["run", "--detach", "--name", name, "--systemd=always", "--privileged", "--network", "none"],
      SYSTEMD_IMAGE,
    );
    onTestFinished(async () => void (await engine.podman("rm", "--force", "--time", "5", name)));
    const inside = (...command: readonly string[]): Promise<string> =>
      engine.podman("exec", name, ...command);
    const journalHas = (text: string, times = 1): Promise<void> =>
      eventually(async () => {
        const journal = await inside("journalctl", "--unit=stanzapack", "--output=cat", "--no-pager");
        if (journal.split(text).length <= times) throw new Error(`no ${text} in the journal:\n${journal}`);
      });
    const show = (property: string): Promise<string> =>
      inside("systemctl", "show", "--value", `--property=${property}`, "stanzapack");

    await eventually(() => inside("systemctl", "is-active", "prosody"));
    // systemd hands over secrets by a mount. Mounts propagate on a machine, and not in a container.
    await inside("mount", "--make-rshared", "/");
    await inside("systemctl", "start", "stanzapack");
    await journalHas(`"msg":"online"`);

    const pid = await show("MainPID");
    const status = await inside("cat", `/proc/${pid}/status`);
    expect(status).toMatch(/^CapBnd:\s0+$/m);
    expect(status).toMatch(/^NoNewPrivs:\s1\nSeccomp:\s2$/m);
    expect(status).not.toMatch(/^Uid:\s0/m);
    for (const folder of ["/usr", "/etc", "/home"])
      await expect(inside("nsenter", "--target", pid, "--mount", "touch", `${folder}/x`)).rejects.toThrow(
        "Read-only file system",
      );

    await inside("systemctl", "reload", "stanzapack");
    await journalHas("config file read again");
    await inside("bash", "-c", `kill -KILL ${pid}`);
    await journalHas(`"msg":"online"`, 2);
    expect(await show("NRestarts")).toBe("1");

    await inside("systemctl", "stop", "stanzapack");
    expect([await show("Result"), await show("ExecMainStatus")]).toEqual(["success", "0"]);
    expect(await inside("ls", "/var/lib/stanzapack")).toMatch(/^clean$/m);
  },
);
