import { setTimeout as sleep } from "node:timers/promises";
import { createCertificates } from "./certificates.js";
import { ejabberd } from "./ejabberd.js";
import { SandboxError } from "./errors.js";
import { startGuard, type Guard } from "./guard.js";
import { launch } from "./launch.js";
import { createAccount, resolveOptions, type ResolvedOptions } from "./options.js";
import { releasePorts, reservePorts } from "./ports.js";
import { prosody } from "./prosody.js";
import { startNameServer, type NameServer } from "./name-server.js";
import type { Recipe } from "./recipe.js";
import type { ServerProcess } from "./server-process.js";
import { findServerUser, type ServerUser } from "./server-user.js";
import { createSite, type Site } from "./site.js";
import type { Sandbox, SandboxAccount, SandboxOptions, SandboxPorts, ServerKind } from "./types.js";

const RECIPES = { prosody, ejabberd } as const satisfies Record<ServerKind, Recipe>;

const HOST = "127.0.0.1";

/** Tries of a start. Another process may take a free port before the server does. */
const PORT_TRIES = 5;

/** The parts of a sandbox that exist before its server first runs. */
interface Ground {
  readonly config: ResolvedOptions;
  readonly recipe: Recipe;
  readonly user: ServerUser;
  readonly site: Site;
  readonly guard: Guard;
  readonly nameServer: NameServer | undefined;
}

/**
 * Starts a private server, and waits until its ports are open and its accounts exist.
 *
 * @throws SandboxError, or the reason of the signal. Then nothing is left behind.
 */
export async function startSandbox(options: SandboxOptions): Promise<Sandbox> {
  const config = resolveOptions(options);
  config.signal?.throwIfAborted();
  const recipe = RECIPES[config.server];
  const user = await findServerUser(config.server);
  const site = await createSite(config.server, user);
  const guard = startGuard(site.folder);
  let nameServer: NameServer | undefined;
  try {
    if (config.federation !== undefined && recipe.needsNameServer)
      nameServer = await startNameServer(config.federation);
    return await openSandbox({ config, recipe, user, site, guard, nameServer });
  } catch (error) {
    await nameServer?.close();
    await guard.close();
    throw error;
  }
}

async function openSandbox(ground: Ground): Promise<Sandbox> {
  const { config, recipe, site } = ground;
  const command = await recipe.prepare(site, config.domains);
  const names = [...config.domains, ...config.components.map(({ domain }) => domain)];
  const certificates = await createCertificates(site.folder, names);
  await site.adopt("ca.pem", 0o644);
  await site.adopt("server.pem", 0o644);
  await site.adopt("server-key.pem", 0o600);
  const run = (ports: SandboxPorts, signal?: AbortSignal): Promise<ServerProcess> =>
    launch({
      ...{ kind: recipe.kind, command, ports: Object.values(ports), signal, user: ground.user },
      readLog: (log) => recipe.readLog(log, ports),
      ...{ logFile: site.path(recipe.logFile), timeoutMs: config.timeoutMs },
      onSpawn(server) {
        ground.guard.watch(server.pid);
        // The system may soon give this number to another process.
        void server.exited.then(() => {
          ground.guard.watch(undefined);
        });
      },
    });

  for (let tries = 1; ; tries += 1) {
    const ports = toSandboxPorts(await reservePorts(config.federation === undefined ? 3 : 4));
    let server: ServerProcess | undefined;
    try {
      await recipe.configure(site, {
        ports,
        certificates,
        settings: config.settings,
        compress: config.compress,
        sasl2: config.sasl2,
        componentTls: config.componentTls,
        domains: config.domains,
        federation: config.federation,
        nameServerPort: ground.nameServer?.port,
        components: config.components,
      });
      server = await run(ports, config.signal);
      await recipe.addAccounts(site, config.accounts);
      config.signal?.throwIfAborted();
      return createSandbox(ground, { ports, certificates, server, run });
    } catch (error) {
      releasePorts(Object.values(ports));
      await server?.end(0);
      if (!isPortTaken(error) || tries === PORT_TRIES) throw error;
    }
  }
}

interface Opened {
  readonly ports: SandboxPorts;
  readonly certificates: { readonly caFile: string; readonly ca: string };
  readonly server: ServerProcess;
  readonly run: (ports: SandboxPorts) => Promise<ServerProcess>;
}

function createSandbox(ground: Ground, opened: Opened): Sandbox {
  const { config, recipe, site, guard } = ground;
  const { ports, certificates } = opened;
  const accounts: SandboxAccount[] = [...config.accounts];
  let server = opened.server;
  let stopping: Promise<void> | undefined;
  let queue: Promise<unknown> = Promise.resolve();

  /** Starts, stops and additions run one after another, whoever calls them. */
  const inTurn = <T>(act: () => Promise<T>): Promise<T> => {
    const turn = queue.then(act);
    queue = turn.catch(() => undefined);
    return turn;
  };
  const unlessStopped = <T>(act: () => Promise<T>): Promise<T> =>
    stopping === undefined
      ? inTurn(act)
      : Promise.reject(new SandboxError("stopped", "the sandbox was stopped"));

  const halt = async (graceMs: number): Promise<void> => {
    if (server.ending === undefined) await server.end(graceMs);
  };
  const start = async (): Promise<void> => {
    if (server.ending !== undefined) server = await runAgain(opened);
  };

  return {
    server: recipe.kind,
    host: HOST,
    domain: config.domains[0] as string,
    ports,
    url: `xmpp://${HOST}:${ports.c2s}`,
    websocketUrl: `ws://${HOST}:${ports.http}/xmpp-websocket`,
    boshUrl: `http://${HOST}:${ports.http}/http-bind`,
    caFile: certificates.caFile,
    ca: certificates.ca,
    components: config.components,
    accounts,
    logFile: site.path(recipe.logFile),
    configFile: site.path(recipe.configFile),
    get pid() {
      return server.pid;
    },
    get running() {
      return server.ending === undefined;
    },
    restart: () =>
      unlessStopped(async () => {
        await halt(recipe.stopGraceMs);
        await start();
      }),
    halt: () => unlessStopped(() => halt(recipe.stopGraceMs)),
    start: () => unlessStopped(start),
    crash: () => unlessStopped(() => halt(0)),
    addUser: (localPart) =>
      unlessStopped(async () => {
        const account = createAccount(localPart, config.domains[0] as string);
        if (accounts.some(({ jid }) => jid === account.jid)) {
          throw new SandboxError("refused", `${account.jid} exists already`);
        }
        await recipe.addAccounts(site, [account]);
        accounts.push(account);
        return account;
      }),
    stop() {
      stopping ??= inTurn(async () => {
        // The folder is removed anyway, so a clean stop would save nothing.
        await halt(0);
        releasePorts(Object.values(ports));
        await ground.nameServer?.close();
        await guard.close();
      });
      return stopping;
    },
  };
}

/**
 * Starts the server again on the same ports. If another process took one meanwhile, retries until the port is free
 * again.
 */
async function runAgain({ ports, run }: Opened): Promise<ServerProcess> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await run(ports);
    } catch (error) {
      if (!isPortTaken(error) || tries === PORT_TRIES) throw error;
      await sleep(500);
    }
  }
}

function toSandboxPorts(ports: readonly number[]): SandboxPorts {
  const [c2s, component, http, s2s] = ports as [number, number, number, number?];
  return { c2s, component, http, ...(s2s !== undefined && { s2s }) };
}

function isPortTaken(error: unknown): boolean {
  return error instanceof SandboxError && error.code === "port-taken";
}
