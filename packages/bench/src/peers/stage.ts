import { setMaxListeners } from "node:events";
import { fileURLToPath } from "node:url";
import type { ComponentLimits, ConfigFile } from "@stanzapack/component";
import { startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import type { Account, ComponentMethods, Road } from "./methods.js";
import { startWorker, type Worker } from "../measure/worker.js";

const COMPONENT = fileURLToPath(new URL("./component-process.js", import.meta.url));

/** Resources of one account. It makes few accounts, and is below what servers allow. */
const RESOURCES = 10;

export interface StageOptions {
  readonly server: ServerKind;
  /** Number of sessions that log in. */
  readonly clients: number;
  readonly limits: ConfigFile["limits"];
  readonly signal: AbortSignal;
  /** Opens a proxy between the component and its server. Returns the port that the component uses instead. */
  readonly between?: (server: { readonly host: string; readonly port: number }) => Promise<number>;
}

/** A private server, and a component with its own limits, each in its own process. */
export interface Stage {
  readonly sandbox: Sandbox;
  readonly component: Worker<ComponentMethods>;
  readonly limits: ComponentLimits;
  readonly road: Road;
  /** The account of a session. Ten sessions share an account. */
  account(session: number): Account;
  stop(): Promise<void>;
}

export async function startStage(options: StageOptions): Promise<Stage> {
  const { server, clients, signal } = options;
  setMaxListeners(0, signal);
  const users = Math.ceil(clients / RESOURCES);
  const sandbox = await startSandbox({ server, users, signal });
  const component = startWorker<ComponentMethods>(COMPONENT, "the component's process");
  const stop = async (): Promise<void> => {
    await component.stop();
    await sandbox.stop();
  };
  try {
    const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
    const at = { host: sandbox.host, port: sandbox.ports.component };
    const port = (await options.between?.(at)) ?? at.port;
    const start = { domain, secret, host: at.host, port, limits: options.limits };
    const limits = await component.call("start", start, signal);
    return {
      ...{ sandbox, component, limits, stop },
      road: { url: sandbox.url, ca: sandbox.ca, component: domain },
      account: (session) => sandbox.accounts[session % users] as Account,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
