import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import type { ResolvedConfig } from "@stanzapack/component";
import { startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import { startTcpProxy, type TcpProxy } from "@stanzapack/testkit";
import { createClientConnection, type Connection } from "@stanzapack/xmpp";
import { startStack, type Stack } from "./stack.js";

/** Domains of the server that has no component. */
export const FAR = "far.test";
export const FARTHER = "farther.test";

/** Two servers that know each other, the component on the near one; between them a faulty network. */
export interface Federation {
  readonly near: Stack;
  readonly far: Sandbox;
  /** The near server's connections to the far one, and the other way. */
  readonly toFar: TcpProxy;
  readonly toNear: TcpProxy;
  /** Logs in at the far server; closed with the federation. */
  connect(bareJid: string, options?: Partial<ConnectOptions>): Promise<Client>;
  raw(bareJid: string): Promise<Connection>;
  /** No server reaches the other until `heal`; connections there are end. */
  cut(): void;
  /** What they send each other vanishes until `heal`, and nobody is told. */
  stall(): void;
  heal(): void;
  stop(): Promise<void>;
}

export async function startFederation(
  kinds: { readonly near: ServerKind; readonly far: ServerKind },
  users: { readonly near: readonly string[]; readonly far: readonly string[] },
  limits: Partial<ResolvedConfig["limits"]> = {},
): Promise<Federation> {
  // Each server is told the other's address before either has one.
  const farAt = { host: "127.0.0.1", port: 0 };
  const nearAt = { host: "127.0.0.1", port: 0 };
  const toFar = await startTcpProxy(farAt);
  const toNear = await startTcpProxy(nearAt);
  const [near, far] = await Promise.all([
    startStack(kinds.near, users.near, {
      limits,
      federation: { domains: [FAR, FARTHER], port: toFar.port },
    }),
    startSandbox({
      server: kinds.far,
      domains: [FAR, FARTHER],
      users: users.far,
      federation: { domains: ["localhost", "streams.localhost"], port: toNear.port },
    }),
  ]);
  farAt.port = far.ports.s2s as number;
  nearAt.port = near.sandbox.ports.s2s as number;
  const open: { close(): Promise<void> }[] = [];
  const credentials = (bareJid: string): { jid: string; password: string; url: string; ca: string } => {
    const account = far.accounts.find(({ jid }) => jid === bareJid);
    if (account === undefined) throw new Error(`no account ${bareJid}`);
    return { ...account, url: far.url, ca: far.ca };
  };
  return {
    near,
    far,
    toFar,
    toNear,
    async connect(bareJid, extra = {}) {
      const client = await connect({ ...credentials(bareJid), component: near.domain, ...extra });
      open.push(client);
      return client;
    },
    async raw(bareJid) {
      const connection = createClientConnection(credentials(bareJid));
      open.push({ close: () => connection.stop() });
      await connection.start();
      return connection;
    },
    cut() {
      for (const proxy of [toFar, toNear]) {
        proxy.refuse = true;
        proxy.cut();
      }
    },
    stall() {
      for (const proxy of [toFar, toNear]) proxy.stall = true;
    },
    heal() {
      for (const proxy of [toFar, toNear]) proxy.heal();
    },
    async stop() {
      await Promise.all(open.map((it) => it.close()));
      await near.stop();
      await far.stop();
      await Promise.all([toFar.close(), toNear.close()]);
    },
  };
}
