import { createInterface } from "node:readline";
import { startSandbox, type Sandbox, type ServerKind, type SettingsKind } from "@stanzapack/sandbox";
import { type Command, Option } from "commander";
import { startComponentProcess, type ComponentProcess } from "../component-process.js";
import { startDemo, type Demo } from "../demo.js";
import { reportFailure } from "../failure.js";
import { parseCount } from "../parse.js";
import { writeEnvFiles } from "../sandbox-files.js";
import { onInterruption, untilAborted } from "../signals.js";
import { untilComponentAnswers } from "../until-component-answers.js";

interface SandboxCommandOptions {
  readonly server: ServerKind;
  readonly users: number;
  readonly settings: SettingsKind;
  readonly demo?: true;
}

export function addSandbox(program: Command): void {
  program
    .command("sandbox")
    .summary("a private XMPP server with accounts and the component, for trying out and tests")
    .description(
      "Starts a private Prosody or ejabberd on 127.0.0.1 with ports, certificates, accounts and a running Stanzapack " +
        "component of its own, prints one JSON line that describes it, and runs until SIGINT or SIGTERM. Then, or when " +
        "this process is killed, server, component and files are gone.",
    )
    .addOption(
      new Option("--server <kind>", "which server; it must be installed")
        .choices(["prosody", "ejabberd"])
        .default("prosody"),
    )
    .option("--users <n>", "accounts user0@localhost, user1@localhost, …", parseCount, 4)
    .addOption(
      new Option("--settings <kind>", "as it ships, or with the settings of docker/")
        .choices(["stock", "recommended"])
        .default("recommended"),
    )
    .option("--demo", "also publish demo services, from the last account")
    .addHelpText(
      "after",
      `
stdout is one JSON line:
  {server, host, ports: {c2s, component, http}, websocketUrl, boshUrl, caFile, component: {domain, secret},
   streams, accounts: [{jid, password}], pids: {server, component}, configFile}
\`streams\` is the domain of the running Stanzapack component, \`component\` a second, free one; \`configFile\` is
the server's. Beside \`caFile\`, one file per account (env/user0, …) sets the environment for the other commands.

Lines on stdin; each is answered by a JSON line with the pids once everything works again:
  restart server       stop it cleanly, start it on the same ports
  restart component    SIGTERM, then start
  crash server         SIGKILL, then start
  kill component       SIGKILL, then start

Examples:
  $ stanzapack sandbox
  $ stanzapack sandbox --server ejabberd --users 10 --settings stock
  $ stanzapack sandbox > sandbox.json &`,
    )
    .action(sandboxCommand);
}

async function sandboxCommand(options: SandboxCommandOptions): Promise<void> {
  // Whoever read our one line may be gone; only signals end us.
  process.stdout.on("error", () => undefined);
  const interruption = onInterruption();
  const { signal } = interruption;
  const tell = process.stderr.isTTY ? (line: string) => process.stderr.write(`${line}\n`) : () => undefined;
  let sandbox: Sandbox | undefined;
  let component: ComponentProcess | undefined;
  let demo: Demo | undefined;
  let input: ReturnType<typeof createInterface> | undefined;
  try {
    tell(`starting ${options.server} …`);
    sandbox = await startSandbox({ ...options, signal });
    const envFolder = await writeEnvFiles(sandbox);
    tell("starting the component …");
    component = await startComponentProcess(sandbox, signal);
    if (options.demo) {
      tell("starting the demo …");
      demo = await startDemo(sandbox);
    }
    input = createInterface({ input: process.stdin, terminal: false });
    listenForRequests(input, sandbox, component);
    print(describe(sandbox, component));
    tell(`ready; try, in two other terminals:
  . ${envFolder}/user0; stanzapack offer clock --every 1s -- date +%T
  . ${envFolder}/user1; stanzapack subscribe user0@localhost/clock
Ctrl-C ends everything.`);
    await untilAborted(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    input?.close();
    process.stdin.pause();
    await demo?.stop();
    await component?.stop();
    await sandbox?.stop();
    interruption.dispose();
  }
}

/** One at a time, in order; a request that fails is told on stderr and leaves the sandbox running. */
function listenForRequests(
  input: ReturnType<typeof createInterface>,
  sandbox: Sandbox,
  component: ComponentProcess,
): void {
  const requests: Readonly<Record<string, () => Promise<void>>> = {
    "restart server": async () => {
      await sandbox.restart();
      await untilComponentAnswers(sandbox);
    },
    "crash server": async () => {
      await sandbox.crash();
      await sandbox.start();
      await untilComponentAnswers(sandbox);
    },
    "restart component": () => component.restart("SIGTERM"),
    "kill component": () => component.restart("SIGKILL"),
  };
  let queue = Promise.resolve();
  input.on("line", (line) => {
    const text = line.trim();
    if (text === "") return;
    queue = queue.then(async () => {
      const request = requests[text];
      if (request === undefined) {
        process.stderr.write(`\`${text}\` is none of: ${Object.keys(requests).join(", ")}\n`);
        return;
      }
      try {
        await request();
        print({ pids: { server: sandbox.pid, component: component.pid } });
      } catch (error) {
        reportFailure(error);
      }
    });
  });
}

function describe(sandbox: Sandbox, component: ComponentProcess): object {
  const [streams, free] = sandbox.components;
  return {
    server: sandbox.server,
    host: sandbox.host,
    ports: sandbox.ports,
    websocketUrl: sandbox.websocketUrl,
    boshUrl: sandbox.boshUrl,
    caFile: sandbox.caFile,
    component: free,
    streams: streams?.domain,
    accounts: sandbox.accounts,
    pids: { server: sandbox.pid, component: component.pid },
    configFile: sandbox.configFile,
  };
}

function print(row: object): void {
  process.stdout.write(`${JSON.stringify(row)}\n`);
}
