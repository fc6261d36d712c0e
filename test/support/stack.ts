import { type Client, connect, type ConnectOptions } from "@stanzapack/client";
import {
  configSchema,
  createComponent,
  type ResolvedConfig,
  type StreamsComponent,
} from "@stanzapack/component";
import { startSandbox, type Sandbox, type SandboxOptions, type ServerKind } from "@stanzapack/sandbox";
import { createClientConnection, type ClientConnectionOptions, type Connection } from "@stanzapack/xmpp";
import { startStanzaProxy, startTcpProxy, until, type StanzaProxy, type TcpProxy } from "@stanzapack/testkit";
import { pino, type Logger } from "pino";
import { onTestFailed, onTestFinished } from "vitest";
import { credentialsOf } from "./accounts.js";

export const SERVERS = ["prosody", "ejabberd"] as const satisfies readonly ServerKind[];

/** A private server with a Stanzapack component in this process, and functions to log in. */
export interface Stack {
  readonly sandbox: Sandbox;
  readonly domain: string;
  component: StreamsComponent;
  /** An SDK client, which is closed with the stack. */
  connect(user: string, options?: Partial<ConnectOptions>): Promise<Client>;
  /** A bare XMPP client, which is stopped with the stack. */
  raw(user: string, options?: Partial<ClientConnectionOptions>): Promise<Connection>;
  /** Stops the component cleanly, with a BYE to each link, and starts another one. */
  restartComponent(downMs: number): Promise<void>;
  /** Ends the component without a sign to anyone, and starts another one. */
  crashComponent(downMs: number): Promise<void>;
  /** Between the component and its server, to separate the two. */
  readonly componentProxy: TcpProxy;
  /** Between `componentProxy` and the server, if the stack was started with it. For faults of single stanzas. */
  readonly stanzaProxy: StanzaProxy | undefined;
  stop(): Promise<void>;
}

/** From this level on, components also log to stderr. */
const LOG_LEVEL = process.env["STANZAPACK_TEST_LOG"];
/** Number of log lines of its component that a failed test prints. */
const LAST_LINES = 1_000;

export async function startStack(
  server: ServerKind,
  users: readonly string[],
  options: {
    settings?: SandboxOptions["settings"];
    domains?: SandboxOptions["domains"];
    compress?: boolean;
    sasl2?: boolean;
    /** TLS for the component's stream, on ejabberd. */
    componentTls?: boolean;
    federation?: SandboxOptions["federation"];
    limits?: Partial<ResolvedConfig["limits"]>;
    /** Bare JIDs of the component's administrators. Default none. */
    admins?: readonly string[];
    /** Envelope of the component's stanzas. */
    envelope?: ResolvedConfig["envelope"];
    /** Puts a proxy for single stanzas between the component and its server. */
    stanzaProxy?: boolean;
  } = {},
): Promise<Stack> {
  const sandbox = await startSandbox({
    server,
    users,
    ...(options.settings === undefined ? {} : { settings: options.settings }),
    ...(options.domains === undefined ? {} : { domains: options.domains }),
    ...(options.compress === undefined ? {} : { compress: options.compress }),
    ...(options.componentTls === undefined ? {} : { componentTls: options.componentTls }),
    ...(options.sasl2 === undefined ? {} : { sasl2: options.sasl2 }),
    ...(options.federation === undefined ? {} : { federation: options.federation }),
  });
  const { domain, secret } = sandbox.components[0] as { domain: string; secret: string };
  const door = { host: sandbox.host, port: sandbox.ports.component };
  const stanzaProxy = options.stanzaProxy === true ? await startStanzaProxy(door) : undefined;
  const componentProxy = await startTcpProxy(
    stanzaProxy === undefined ? door : { host: "127.0.0.1", port: stanzaProxy.port },
  );
  const { limits, envelope, admins } = options;
  const parsed = configSchema.parse({
    component: { domain, secret },
    store: { kind: "memory" },
    ...{ limits, envelope, admins },
  });
  const config: ResolvedConfig = {
    ...parsed,
    component: {
      domain,
      secret,
      host: "127.0.0.1",
      port: componentProxy.port,
      ...(options.componentTls === true && { tls: { ca: sandbox.ca } }),
    },
  };
  const logger = createTestLogger();
  const start = async (): Promise<StreamsComponent> => {
    const component = createComponent(config, { logger });
    await component.start();
    return component;
  };
  const open: { close(): Promise<void> }[] = [];
  const stack: Stack = {
    sandbox,
    domain,
    componentProxy,
    stanzaProxy,
    component: await start(),
    async connect(user, extra = {}) {
      const client = await connect({ ...credentialsOf(sandbox, user), component: domain, ...extra });
      open.push(client);
      return client;
    },
    async raw(user, extra = {}) {
      const connection = createClientConnection({ ...credentialsOf(sandbox, user), ...extra });
      open.push({ close: () => connection.stop() });
      await connection.start();
      return connection;
    },
    async crashComponent(downMs) {
      componentProxy.refuse = true;
      componentProxy.cut();
      await until(() => componentProxy.connections === 0, 2_000, "the component's stream is cut");
      // Without a connection it cannot send BYE. For everyone else its process has crashed.
      await stack.component.stop();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      componentProxy.refuse = false;
      stack.component = await start();
    },
    async restartComponent(downMs) {
      await stack.component.stop();
      await new Promise((resolve) => setTimeout(resolve, downMs));
      stack.component = await start();
    },
    async stop() {
      await Promise.all(open.map((it) => it.close()));
      await stack.component.stop();
      await componentProxy.close();
      await stanzaProxy?.close();
      await sandbox.stop();
    },
  };
  return stack;
}

function createTestLogger(): Logger {
  const lines: string[] = [];
  const last = {
    write(line: string): void {
      lines.push(line);
      if (lines.length > LAST_LINES) lines.shift();
    },
  };
  try {
    onTestFailed(() => void process.stderr.write(`the component logged last:\n${lines.join("")}`));
  } catch {
    // It is started by a hook, for many tests.
  }
  const streams = [{ level: "debug" as const, stream: last }];
  if (LOG_LEVEL !== undefined) streams.push({ level: LOG_LEVEL as "debug", stream: pino.destination(2) });
  return pino({ level: "debug" }, pino.multistream(streams));
}

/** Publishes 1, 2, 3, … every `everyMs`. `count` is the newest value. */
export function publishCounter(
  publish: (value: number) => void,
  everyMs: number,
): { count: number; stop(): void } {
  const state = { count: 0, stop: () => clearInterval(timer) };
  const timer = setInterval(() => publish(++state.count), everyMs);
  // A failed test must not keep publishing during the next test.
  onTestFinished(state.stop);
  return state;
}

/** Returns `first`, `first` + 1, … `last`. */
export function upTo(last: number, first = 1): number[] {
  return Array.from({ length: last - first + 1 }, (_, i) => first + i);
}
