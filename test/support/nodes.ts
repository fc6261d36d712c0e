import { connect, type Client, type ConnectOptions } from "@stanzapack/client";
import {
  configSchema,
  createComponent,
  type ResolvedConfig,
  type StreamsComponent,
} from "@stanzapack/component";
import { startSandbox, type Sandbox, type ServerKind } from "@stanzapack/sandbox";
import {
  startPrivateRedis,
  startTcpProxy,
  until,
  type PrivateRedis,
  type TcpProxy,
} from "@stanzapack/testkit";
import { credentialsOf } from "./accounts.js";
import { createTestLogger } from "./stack.js";

/** One node in this process, with proxies between it and what it rests on. */
export interface TestNode {
  readonly domain: string;
  readonly component: StreamsComponent;
  readonly toServer: TcpProxy;
  readonly toRedis: TcpProxy;
  /** Ends the node without a sign to anyone. */
  crash(): Promise<void>;
}

/** A private server and a private Redis, with several nodes of one component. */
export interface NodeStack {
  readonly sandbox: Sandbox;
  readonly redis: PrivateRedis;
  readonly nodes: readonly TestNode[];
  /** An SDK client with its link at this node, which is closed with the stack. */
  connect(user: string, node: number, options?: Partial<ConnectOptions>): Promise<Client>;
  stop(): Promise<void>;
}

export async function startNodes(
  server: ServerKind,
  users: readonly string[],
  { count = 2, limits }: { count?: number; limits?: Partial<ResolvedConfig["limits"]> } = {},
): Promise<NodeStack> {
  const names = Array.from({ length: count }, (_, i) => `streams${i + 1}.localhost`);
  const [sandbox, redis] = await Promise.all([
    startSandbox({ server, users, components: names }),
    startPrivateRedis(),
  ]);
  const open: { close(): Promise<void> }[] = [];
  const nodes = await Promise.all(
    sandbox.components.map(async ({ domain, secret }): Promise<TestNode> => {
      const toServer = await startTcpProxy({ host: sandbox.host, port: sandbox.ports.component });
      const toRedis = await startTcpProxy({ host: redis.host, port: redis.port });
      const parsed = configSchema.parse({
        ...{ component: { domain, secret }, nodes: {}, limits },
        store: { kind: "redis", port: toRedis.port, prefix: "nodes:" },
      });
      const config = {
        ...parsed,
        component: { domain, secret, host: "127.0.0.1", port: toServer.port },
      } as ResolvedConfig;
      const component = createComponent(config, { logger: createTestLogger() });
      await component.start();
      return {
        ...{ domain, component, toServer, toRedis },
        async crash() {
          for (const proxy of [toServer, toRedis]) {
            proxy.refuse = true;
            proxy.cut();
          }
          await until(() => toServer.connections === 0, 2_000, "the node's stream is cut");
          await component.stop().catch(() => undefined);
        },
      };
    }),
  );
  return {
    ...{ sandbox, redis, nodes },
    async connect(user, node, options = {}) {
      const { domain } = nodes[node] as TestNode;
      const client = await connect({ ...credentialsOf(sandbox, user), component: domain, ...options });
      open.push(client);
      return client;
    },
    async stop() {
      await Promise.all(open.map((it) => it.close()));
      await Promise.all(nodes.map(({ component }) => component.stop().catch(() => undefined)));
      await Promise.all(nodes.flatMap(({ toServer, toRedis }) => [toServer.close(), toRedis.close()]));
      await sandbox.stop();
      await redis.close();
    },
  };
}
