import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import {
  startComponentProcess,
  startSandbox,
  type ComponentProcess,
  type Sandbox,
  type ServerKind,
  type SettingsKind,
} from "@stanzapack/sandbox";
import { StanzapackError } from "@stanzapack/wire";
import type { Demo } from "../base/bench-module.js";
import { startDemo } from "../sandbox/demo.js";
import { reportFailure } from "../base/failure.js";
import { writeEnvFiles } from "../sandbox/sandbox-files.js";
import { interruptible, untilAborted } from "../base/signals.js";
import { untilComponentAnswers } from "../sandbox/until-component-answers.js";

/** This command, which runs the component too. */
const COMMAND = fileURLToPath(new URL("../../bin/stanzapack.js", import.meta.url));

export interface SandboxCommandOptions {
  readonly server: ServerKind;
  readonly users: number;
  readonly settings: SettingsKind;
  readonly compress?: true;
  readonly demo?: true;
}

export async function sandboxCommand({ demo: withDemo, ...options }: SandboxCommandOptions): Promise<void> {
  await interruptible(async ({ signal }) => {
    let sandbox: Sandbox | undefined;
    let component: ComponentProcess | undefined;
    let demo: Demo | undefined;
    let input: Interface | undefined;
    try {
      tell(`starting ${options.server} …`);
      sandbox = await startSandbox({ ...options, signal });
      const envFolder = await writeEnvFiles(sandbox);
      tell("starting the component …");
      component = await startComponentProcess(sandbox, {
        ...{ command: COMMAND, signal, onFailure: tellFailure },
        admins: sandbox.accounts.slice(0, 1).map(({ jid }) => jid),
      });
      if (withDemo) {
        tell("starting the demo …");
        demo = await startDemo(sandbox);
      }
      input = createInterface({ input: process.stdin, terminal: false });
      listenForRequests(input, sandbox, component, signal);
      print(describe(sandbox, component));
      tell(firstSteps(sandbox, envFolder));
      await untilAborted(signal);
    } finally {
      input?.close();
      process.stdin.pause();
      await demo?.stop();
      await component?.end("SIGTERM");
      await sandbox?.stop();
    }
  });
}

function firstSteps({ accounts }: Sandbox, envFolder: string): string {
  const [publisher = "", subscriber = publisher] = accounts.map(({ jid }) => jid.slice(0, jid.indexOf("@")));
  const stanzapack = process.env["npm_command"] === "exec" ? "npx stanzapack" : "stanzapack";
  return `ready; try, in two other terminals:
  . ${envFolder}/${publisher}; ${stanzapack} offer clock --every 1s -- date +%T
  . ${envFolder}/${subscriber}; ${stanzapack} subscribe ${accounts[0]?.jid ?? ""}/clock
Ctrl-C ends everything.`;
}

/** Shows progress, if stderr is a terminal. */
function tell(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${line}\n`);
}

function tellFailure(how: string): void {
  process.stderr.write(`the component ended (${how}); the line \`restart component\` starts it again\n`);
}

/** Handles one request at a time, in order. A failed request is reported on stderr; the sandbox keeps running. */
function listenForRequests(
  input: Interface,
  sandbox: Sandbox,
  component: ComponentProcess,
  signal: AbortSignal,
): void {
  const restartComponent = async (by: "SIGTERM" | "SIGKILL"): Promise<void> => {
    await component.end(by);
    if (signal.aborted) throw new StanzapackError("stopped", "the sandbox was stopped");
    await component.start(signal);
  };
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
    "restart component": () => restartComponent("SIGTERM"),
    "kill component": () => restartComponent("SIGKILL"),
  };
  let queue = Promise.resolve();
  input.on("line", (line) => {
    const text = line.trim();
    if (text === "") return;
    queue = queue.then(async () => {
      const request = requests[text];
      if (request === undefined) {
        process.stderr.write(`\`${text}\` is not one of: ${Object.keys(requests).join(", ")}\n`);
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
