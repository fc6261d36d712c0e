import { setMaxListeners } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  startSandbox,
  type ComponentProcess,
  type Sandbox,
  type SandboxAccount,
  type ServerKind,
} from "@stanzapack/sandbox";
import type { TransportKind } from "@stanzapack/xmpp";
import { startTestComponent } from "../base/test-component.js";
import { startTcpProxy, type TcpProxy } from "../proxies/tcp-proxy.js";
import { startPrivateRedis, type PrivateRedis } from "../redis/private-redis.js";
import type { Machinery } from "./faults.js";

export const TRANSPORTS = ["tcp", "websocket", "bosh"] as const satisfies readonly TransportKind[];
export const ROLES = ["publisher", "first", "live", "slow"] as const;
/** Programs that live through all rounds, each in a process of its own. */
export const RESIDENT_ROLES = ["publisher", "subscriber"] as const;
/** Where the component keeps logs. */
export const STORES = ["memory", "lmdb", "redis"] as const;
export type StoreKind = (typeof STORES)[number];
/** Durabilities of logs in a store. */
export const STORED_DURABILITIES = ["sync", "interval"] as const;
/** Durability of a log: `none` is that of a component that has it in memory. */
export type LogDurability = (typeof STORED_DURABILITIES)[number] | "none";
export type Role = (typeof ROLES)[number];
export type ResidentRole = (typeof RESIDENT_ROLES)[number];

/** A private server with an account for each role on each transport, and its component behind a proxy. */
export interface Stage extends Machinery {
  readonly server: ServerKind;
  readonly store: StoreKind;
  /** The component's domain. */
  readonly domain: string;
  /** How the component's process ended by itself, each time. */
  readonly componentFailures: readonly string[];
  /** A name for a new log. A log that was not withdrawn is kept for a while, so no name is used twice. */
  nextName(): string;
  account(transport: TransportKind, role: Role): SandboxAccount;
  residentAccount(role: ResidentRole): SandboxAccount;
  /** Opens another proxy to the server's transport. */
  openRoad(transport: TransportKind): Promise<{ readonly proxy: TcpProxy; readonly url: string }>;
  stop(): Promise<void>;
}

export async function startStage(server: ServerKind, signal: AbortSignal, store: StoreKind): Promise<Stage> {
  // Every client and every wait listens to this signal.
  setMaxListeners(0, signal);
  const users = [
    ...TRANSPORTS.flatMap((transport) => ROLES.map((role) => `${transport}-${role}`)),
    ...(store !== "memory" ? RESIDENT_ROLES.map((role) => `resident-${role}`) : []),
  ];
  const sandbox = await startSandbox({ server, users, signal });
  let folder: string | undefined;
  let redis: PrivateRedis | undefined;
  let redisRoad: TcpProxy | undefined;
  let componentRoad: TcpProxy | undefined;
  let component: ComponentProcess | undefined;
  const componentFailures: string[] = [];
  const stop = async (): Promise<void> => {
    await component?.end("SIGKILL");
    await componentRoad?.close();
    await redisRoad?.close();
    await redis?.close();
    await sandbox.stop();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    if (store === "lmdb") folder = await mkdtemp(join(tmpdir(), "stanzapack-crash-"));
    if (store === "redis") redisRoad = await startTcpProxy((redis = await startPrivateRedis()));
    componentRoad = await startTcpProxy({ host: sandbox.host, port: sandbox.ports.component });
    component = await startTestComponent(
      sandbox,
      componentRoad.port,
      signal,
      (how) => componentFailures.push(how),
      storeConfig(folder, redisRoad),
    );
  } catch (error) {
    await stop();
    throw error;
  }
  let logs = 0;
  const accountOf = (user: string): SandboxAccount =>
    sandbox.accounts.find(({ jid }) => jid.startsWith(`${user}@`)) as SandboxAccount;
  return {
    server,
    store,
    domain: sandbox.components[0]?.domain as string,
    sandbox,
    component,
    componentRoad,
    redis,
    redisRoad,
    componentFailures,
    nextName: () => `log-${++logs}`,
    account: (transport, role) => accountOf(`${transport}-${role}`),
    residentAccount: (role) => accountOf(`resident-${role}`),
    async openRoad(transport) {
      const url = new URL(urlOf(sandbox, transport));
      const proxy = await startTcpProxy({ host: url.hostname, port: Number(url.port) });
      url.port = String(proxy.port);
      return { proxy, url: url.href };
    },
    stop,
  };
}

/** The key `store` of the component's config. */
function storeConfig(
  folder: string | undefined,
  redisRoad: TcpProxy | undefined,
): Readonly<Record<string, unknown>> | undefined {
  if (folder !== undefined) return { kind: "lmdb", path: join(folder, "store") };
  return redisRoad && { kind: "redis", port: redisRoad.port };
}

function urlOf({ url, websocketUrl, boshUrl }: Sandbox, transport: TransportKind): string {
  return { tcp: url, websocket: websocketUrl, bosh: boshUrl }[transport];
}
