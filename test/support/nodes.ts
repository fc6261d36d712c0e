import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import {
  startComponentProcess,
  startSandbox,
  type ComponentProcess,
  type Sandbox,
  type ServerKind,
} from "@stanzapack/sandbox";
import { startPrivateRedis, startTcpProxy, type PrivateRedis, type TcpProxy } from "@stanzapack/testkit";
import { credentialsOf } from "./accounts.js";
import { COMMAND } from "./program.js";

/** One node in a process of its own, with proxies between it and what it rests on. */
export interface TestNode {
  readonly domain: string;
  readonly toServer: TcpProxy;
  readonly toRedis: TcpProxy;
  end(by: "SIGTERM" | "SIGKILL"): Promise<void>;
  start(): Promise<void>;
  /** Stops the process where it is, until `resume`. */
  halt(): void;
  resume(): void;
}

/** A private server and a private Redis, with several nodes of one component. */
export interface NodeStack {
  readonly sandbox: Sandbox;
  readonly redis: PrivateRedis;
  node(index: number): TestNode;
  /** Number of the node with this domain. */
  indexOf(domain: string): number;
  /** An SDK client with its link at this node, which is closed with the stack. */
  connect(user: string, node: number, options?: Partial<ConnectOptions>): Promise<Client>;
  /** Closes all clients so far. */
  closeClients(): Promise<void>;
  stop(): Promise<void>;
}

export interface NodeStackOptions {
  /** Number of nodes. Default 2. */
  readonly count?: number;
  readonly admins?: readonly string[];
  /** Weight of each node. Default 100. */
  readonly weights?: readonly number[];
}

export async function startNodes(
  server: ServerKind,
  users: readonly string[],
  { count = 2, admins, weights }: NodeStackOptions = {},
): Promise<NodeStack> {
  const components = Array.from({ length: count }, (_, i) => `streams${i + 1}.localhost`);
  const [sandbox, redis] = await Promise.all([
    startSandbox({ server, users, components }),
    startPrivateRedis(),
  ]);
  const { signal } = new AbortController();
  const nodes = await Promise.all(
    components.map(async (domain, component): Promise<TestNode> => {
      const toServer = await startTcpProxy({ host: sandbox.host, port: sandbox.ports.component });
      const toRedis = await startTcpProxy({ host: redis.host, port: redis.port });
      const started: ComponentProcess = await startComponentProcess(sandbox, {
        ...{ command: COMMAND, signal, component, port: toServer.port, admins },
        nodes: { region: "here", ...(weights && { weight: weights[component] }) },
        store: { kind: "redis", port: toRedis.port, prefix: "nodes:" },
        logLevel: process.env["STANZAPACK_TEST_LOG"] ?? "silent",
      });
      const isRunning = { halted: false };
      return {
        ...{ domain, toServer, toRedis },
        end(by) {
          if (isRunning.halted) process.kill(started.pid, "SIGCONT");
          return started.end(by);
        },
        start: () => started.start(signal),
        halt() {
          isRunning.halted = process.kill(started.pid, "SIGSTOP");
        },
        resume() {
          isRunning.halted = !process.kill(started.pid, "SIGCONT");
        },
      };
    }),
  );
  const open: Client[] = [];
  const closeClients = async (): Promise<void> => {
    await Promise.all(open.splice(0).map((client) => client.close()));
  };
  return {
    ...{ sandbox, redis, closeClients },
    node: (index) => nodes[index] as TestNode,
    indexOf: (domain) => components.indexOf(domain),
    async connect(user, node, options = {}) {
      const component = components[node] as string;
      const client = await connect({ ...credentialsOf(sandbox, user), component, ...options });
      open.push(client);
      return client;
    },
    async stop() {
      await closeClients();
      await Promise.all(nodes.map((node) => node.end("SIGKILL")));
      await Promise.all(nodes.flatMap(({ toServer, toRedis }) => [toServer.close(), toRedis.close()]));
      await sandbox.stop();
      await redis.close();
    },
  };
}

/** Cuts the connections of a proxy, and lets no new one through. */
export function sever(proxy: TcpProxy): void {
  proxy.refuse = true;
  proxy.cut();
}
