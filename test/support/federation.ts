import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import type { ResolvedConfig } from "@stanzapack/component";
import { startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import { startTcpProxy, type TcpProxy } from "@stanzapack/testkit";
import { createClientConnection, type Connection } from "@stanzapack/xmpp";
import { startStack, type Stack } from "./stack.js";

/** Domain of the server that has no component. */
export const FAR = "far.test";
export const FARTHER = "farther.test";

/** Two servers that know each other, with a faulty network between them. The component is on the near server. */
export interface Federation {
  readonly near: Stack;
  readonly far: Sandbox;
  /** The near server's connections to the far server, and the far server's to the near one. */
  readonly toFar: TcpProxy;
  readonly toNear: TcpProxy;
  /** Logs in at the far server. The client is closed with the federation. */
  connect(bareJid: string, options?: Partial<ConnectOptions>): Promise<Client>;
  raw(bareJid: string): Promise<Connection>;
  /** Ends all connections between the servers, and refuses new ones until `heal`. */
  cut(): void;
  /** Loses everything that the servers send each other, without a sign, until `heal`. */
  stall(): void;
  heal(): void;
  stop(): Promise<void>;
}

export async function startFederation(
  kinds: { readonly near: ServerKind; readonly far: ServerKind },
  users: { readonly near: readonly string[]; readonly far: readonly string[] },
  limits: Partial<ResolvedConfig["limits"]> = {},
): Promise<Federation> {
  // Each server needs the other's address before either server has one.
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
