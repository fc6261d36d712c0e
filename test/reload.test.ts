import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@stanzapack/client";
import { startSandbox } from "@stanzapack/sandbox";
import { until } from "@stanzapack/testkit";
import { expect, it, onTestFinished } from "vitest";
import { COMMAND, startProgram } from "./support/program.js";
import { behind } from "./support/whole.js";

interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly changed?: string[];
  readonly needsRestart?: string[];
}

it.each(behind("ejabberd"))(
  "SIGHUP has `stanzapack serve` read its config file again, behind %s",
  async (server) => {
    const sandbox = await startSandbox({ server, users: ["alice"] });
    const folder = await mkdtemp(join(tmpdir(), "stanzapack-reload-"));
    const file = join(folder, "c.yml");
    const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
    const write = (own: string, rest = ""): Promise<void> =>
      writeFile(
        file,
        `component: {domain: ${own}, secret: ${secret}, host: ${sandbox.host}, port: ${sandbox.ports.component}}\n${rest}`,
      );
    await write(domain, "limits: {maxServicesPerOwner: 1}\n");
    const { process: child, output, ended } = startProgram(COMMAND, "serve", "--config", file);
    onTestFinished(async () => {
      child.kill("SIGTERM");
      await ended;
      await sandbox.stop();
      await rm(folder, { recursive: true });
    });
    const log = (): LogLine[] =>
      output.stderr
        .slice(0, output.stderr.lastIndexOf("\n") + 1)
        .split("\n")
        .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as LogLine]));
    const said = (text: string): LogLine | undefined => log().findLast(({ msg }) => msg.includes(text));
    await until(() => said("online") !== undefined, 20_000, "the component");

    const account = sandbox.accounts[0] as { jid: string; password: string };
    const login = { ...account, component: domain, url: sandbox.url, ca: sandbox.ca };
    const alice = await connect(login);
    onTestFinished(() => alice.close());
    await alice.offer("one");
    const full = { code: "limit-exceeded", message: expect.stringContaining("offers 1 services") };
    await expect(alice.offer("two")).rejects.toMatchObject(full);

    // A file with faults changes nothing.
    await write(domain, "limits: {maxServicesPerOwner: 0}\nlog: {level: debug}\n");
    child.kill("SIGHUP");
    await until(() => said("has faults") !== undefined, 10_000, "the complaint");
    expect(said("has faults")).toMatchObject({
      level: 50,
      msg: expect.stringContaining("c.yml:2: limits.max"),
    });
    await expect(alice.offer("two")).rejects.toMatchObject(full);

    await write(domain, "limits: {maxServicesPerOwner: 2}\nlog: {level: debug}\n");
    child.kill("SIGHUP");
    await until(() => said("read again") !== undefined, 10_000, "the new limits");
    expect(said("read again")?.changed).toEqual(["limits.maxServicesPerOwner", "log.level"]);
    expect(said("only a restart")).toBeUndefined();
    await alice.offer("two");

    // At level warn the reload is not logged, but the limit applies.
    await write(domain, "limits: {maxServicesPerOwner: 3}\nlog: {level: warn}\n");
    child.kill("SIGHUP");
    const isOffered = (name: string): Promise<boolean> =>
      alice.offer(name).then(
        () => true,
        () => false,
      );
    while (!(await isOffered("three"))) expect(child.exitCode).toBeNull();
    const opened = (): number => log().filter(({ msg }) => msg.includes("link opened")).length;
    await (await connect(login)).close();

    // A key that cannot change is logged as such. The other keys change.
    await write("elsewhere.localhost");
    child.kill("SIGHUP");
    await until(() => said("only a restart") !== undefined, 10_000, "the warning");
    expect(said("only a restart")).toMatchObject({ level: 40, needsRestart: ["component.domain"] });
    // Links are logged at level info: the link that opened at level warn is not in the log.
    expect(opened()).toBe(1);
    await (await connect(login)).close();
    await until(() => opened() === 2, 5_000, "what level info logs");
    await alice.offer("four");
    expect(child.exitCode).toBeNull();
    expect(alice.online).toBe(true);
  },
);
