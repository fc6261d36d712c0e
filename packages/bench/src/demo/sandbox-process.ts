import { spawn } from "node:child_process";
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import type { ServerKind, SettingsKind } from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { Child } from "./child.js";
import type { Account, Road } from "./publishers.js";

/** The command that users run. */
const COMMAND = fileURLToPath(new URL("../../../cli/bin/stanzapack.js", import.meta.url));

/** Time to stop, in ms. The sandbox stops a component and a server, each within a few seconds. */
const STOP_GRACE_MS = 15_000;

/** A server and a Stanzapack component, each in its own process. */
export interface SandboxProcess {
  readonly child: Child;
  readonly road: Road;
  readonly host: string;
  readonly componentPort: number;
  /** Plain HTTP, for WebSocket and BOSH. */
  readonly httpPort: number;
  /** Addresses for browsers. */
  readonly websocketUrl: string;
  readonly boshUrl: string;
  /** Domain of the running Stanzapack component. */
  readonly streams: string;
  /** A second component that the server accepts, for the rivals. */
  readonly rival: { readonly domain: string; readonly secret: string };
  readonly accounts: readonly Account[];
  readonly pids: { readonly server: number; readonly component: number };
  stop(): Promise<void>;
}

/** The line that `stanzapack sandbox` prints. */
interface SandboxLine {
  readonly host: string;
  readonly ports: { readonly c2s: number; readonly component: number; readonly http: number };
  readonly websocketUrl: string;
  readonly boshUrl: string;
  readonly caFile: string;
  readonly component: { readonly domain: string; readonly secret: string };
  readonly streams: string;
  readonly accounts: readonly Account[];
  readonly pids: { readonly server: number; readonly component: number };
}

export async function startSandboxProcess(
  server: ServerKind,
  users: number,
  signal: AbortSignal,
  {
    transport = "tcp",
    compress = false,
    settings = "recommended",
    admins,
  }: {
    readonly transport?: TransportKind;
    readonly compress?: boolean;
    readonly settings?: SettingsKind;
    /** Bare JIDs of the component's administrators, instead of the sandbox's first account. */
    readonly admins?: readonly string[];
  } = {},
): Promise<SandboxProcess> {
  // Its own process group, so that a terminal's Ctrl-C reaches the sandbox only through this process. If this process
  // is killed, the kernel ends the sandbox.
  const command = [process.execPath, COMMAND, "sandbox", "--server", server, "--users", String(users)];
  command.push("--settings", settings);
  if (compress) command.push("--compress");
  const spawned = spawn("setpriv", ["--pdeathsig=TERM", "--", ...command], {
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    // The component inherits the environment, which replaces keys of its config.
    env: { ...process.env, ...(admins !== undefined && { STANZAPACK_ADMINS: admins.join(",") }) },
  });
  const child = new Child(spawned, "`stanzapack sandbox`");
  const stop = (): Promise<void> => child.stop(() => spawned.kill("SIGTERM"), STOP_GRACE_MS);
  try {
    const text = await child.until<string>(signal, (resolve) => {
      createInterface({ input: spawned.stdout }).once("line", resolve);
    });
    const line = JSON.parse(text) as SandboxLine;
    return {
      child,
      road: { url: urlOf(line, transport), ca: await readFile(line.caFile, "utf8"), compress },
      host: line.host,
      componentPort: line.ports.component,
      httpPort: line.ports.http,
      websocketUrl: line.websocketUrl,
      boshUrl: line.boshUrl,
      streams: line.streams,
      rival: line.component,
      accounts: line.accounts,
      pids: line.pids,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function urlOf(line: SandboxLine, transport: TransportKind): string {
  switch (transport) {
    case "tcp":
      return `xmpp://${line.host}:${line.ports.c2s}`;
    case "websocket":
      return line.websocketUrl;
    case "bosh":
      return line.boshUrl;
  }
}
