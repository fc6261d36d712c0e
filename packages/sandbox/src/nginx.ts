import { setTimeout as sleep } from "node:timers/promises";
import { createCertificates, type Certificates } from "./certificates.js";
import { SandboxError } from "./errors.js";
import { startGuard, type Guard } from "./guard.js";
import { launch, POLL_MS, readFrom, sizeOf, tailOf } from "./launch.js";
import { fillIn, renderMain, type NginxSettings, type WebSocketPolicy } from "./nginx-config.js";
import { checkBehaviour, checkNginxOptions } from "./nginx-checks.js";
import { DOMAIN } from "./options.js";
import { releasePorts, reservePorts } from "./ports.js";
import type { StartState } from "./recipe.js";
import type { Command, ServerProcess } from "./server-process.js";
import { findProgram, findServerUser, type ServerUser } from "./server-user.js";
import { createSite, readTemplate, type Site } from "./site.js";

/** Settings that `reload` can change. */
export interface NginxBehaviour {
  /** Compresses answers of BOSH. Default true. */
  readonly gzip?: boolean | undefined;
  /** Smallest answer that is compressed, in bytes. Default: that of `docker/nginx/stanzapack.conf`. */
  readonly gzipMinLengthBytes?: number | undefined;
  /** Offers HTTP/2 over TLS. Default true. */
  readonly http2?: boolean | undefined;
  /** How nginx handles a WebSocket. A number is the status of its answer. Default `pass`. */
  readonly webSocket?: WebSocketPolicy | undefined;
  /** Origins, beside nginx's own, whose pages may use BOSH. Default none. */
  readonly origins?: readonly string[] | undefined;
}

export interface NginxOptions extends NginxBehaviour {
  /** Plain HTTP of the XMPP server behind it: `ports.http` of a sandbox, on 127.0.0.1. */
  readonly upstreamPort: number;
  /** Longest time until nginx is ready, in ms. Default 20,000. An idle machine needs 0.1 s. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A private nginx on 127.0.0.1 with the settings of `docker/nginx/`. It ends together with the process that started it.
 */
export interface Nginx {
  /** `https` offers HTTP/2. `http` has HTTP/1.1 without TLS. */
  readonly ports: { readonly https: number; readonly http: number };
  readonly boshUrl: string;
  readonly websocketUrl: string;
  /** URL of BOSH without TLS. */
  readonly plainBoshUrl: string;
  readonly plainWebsocketUrl: string;
  /** The sandbox's own authority: its PEM file, and the text of that file. */
  readonly caFile: string;
  readonly ca: string;
  readonly pid: number;
  readonly logFile: string;
  readonly configFile: string;
  /** Changes these settings; other settings return to those of the start. Closes all earlier connections. */
  reload(behaviour: NginxBehaviour): Promise<void>;
  /** Ends the process and removes the folder. Idempotent. */
  stop(): Promise<void>;
}

const CONFIG_FILE = "nginx.conf";
const LOG_FILE = "nginx.log";

/** Longest time of a clean stop, in ms. It ends the worker process too. */
const STOP_GRACE_MS = 2_000;

/** Tries of a start. Another process may take a free port before nginx does. */
const PORT_TRIES = 5;

/**
 * Starts nginx, and waits until it is ready.
 *
 * @throws SandboxError, or the reason of the signal. Then neither process nor folder is left.
 */
export async function startNginx(given: NginxOptions): Promise<Nginx> {
  const options = checkNginxOptions(given);
  options.signal?.throwIfAborted();
  const user = await findServerUser("nginx");
  const program = await findProgram("nginx", "nginx");
  const site = await createSite("nginx", user);
  const guard = startGuard(site.folder);
  try {
    return await open(options, { user, program, site, guard });
  } catch (error) {
    await guard.close();
    throw error;
  }
}

interface Ground {
  readonly user: ServerUser;
  readonly program: string;
  readonly site: Site;
  readonly guard: Guard;
}

async function open(options: NginxOptions, { user, program, site, guard }: Ground): Promise<Nginx> {
  const { timeoutMs = 20_000, signal } = options;
  const certificates = await createCertificates(site.folder, [DOMAIN]);
  await site.adopt("ca.pem", 0o644);
  await site.adopt("server.pem", 0o644);
  await site.adopt("server-key.pem", 0o600);
  await site.makeFolder("temp");
  await site.write(
    CONFIG_FILE,
    renderMain((name) => site.path(name)),
  );
  const command: Command = {
    program,
    args: ["-c", site.path(CONFIG_FILE), "-p", site.folder, "-e", site.path(LOG_FILE)],
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
    cwd: site.folder,
    outputFile: site.path("output.log"),
  };
  for (let tries = 1; ; tries += 1) {
    const reserved = await reservePorts(2);
    const [https, http] = reserved as [number, number];
    const ports = { https, http };
    try {
      await configure(site, certificates, ports, options);
      const server = await launch({
        ...{ kind: "nginx", command, user, ports: reserved, signal, timeoutMs },
        ...{ logFile: site.path(LOG_FILE), readLog: readNginxLog },
        onSpawn({ pid, exited }) {
          guard.watch(pid);
          // The system may soon give this number to another process.
          void exited.then(() => {
            guard.watch(undefined);
          });
        },
      });
      return createNginx(options, { site, guard, certificates, ports, server });
    } catch (error) {
      releasePorts(reserved);
      const isTaken = error instanceof SandboxError && error.code === "port-taken";
      if (!isTaken || tries === PORT_TRIES) throw error;
    }
  }
}

interface Opened {
  readonly site: Site;
  readonly guard: Guard;
  readonly certificates: Certificates;
  readonly ports: NginxSettings["ports"];
  readonly server: ServerProcess;
}

function createNginx(options: NginxOptions, opened: Opened): Nginx {
  const { site, guard, certificates, ports, server } = opened;
  const logFile = site.path(LOG_FILE);
  let stopping: Promise<void> | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const reload = async (behaviour: NginxBehaviour): Promise<void> => {
    if (stopping !== undefined) throw new SandboxError("stopped", "nginx was stopped");
    await configure(site, certificates, ports, { ...options, ...behaviour });
    const logStart = await sizeOf(logFile);
    process.kill(server.pid, "SIGHUP");
    const deadline = performance.now() + (options.timeoutMs ?? 20_000);
    for (;;) {
      const log = await readFrom(logFile, logStart);
      // The old worker process has ended, and its connections with it.
      if (/worker process \d+ exited/.test(log)) return;
      if (server.ending !== undefined || log.includes("[emerg]") || performance.now() > deadline)
        throw new SandboxError("not-ready", `nginx did not reload${await tailOf(logFile)}`);
      await sleep(POLL_MS);
    }
  };

  return {
    ports,
    boshUrl: `https://127.0.0.1:${ports.https}/http-bind`,
    websocketUrl: `wss://127.0.0.1:${ports.https}/xmpp-websocket`,
    plainBoshUrl: `http://127.0.0.1:${ports.http}/http-bind`,
    plainWebsocketUrl: `ws://127.0.0.1:${ports.http}/xmpp-websocket`,
    caFile: certificates.caFile,
    ca: certificates.ca,
    pid: server.pid,
    logFile,
    configFile: site.path("stanzapack.conf"),
    async reload(given) {
      const behaviour = checkBehaviour(given);
      const done = turn.then(() => reload(behaviour));
      turn = done.catch(() => undefined);
      await done;
    },
    stop() {
      stopping ??= (async () => {
        await turn;
        if (server.ending === undefined) await server.end(STOP_GRACE_MS);
        releasePorts([ports.https, ports.http]);
        await guard.close();
      })();
      return stopping;
    },
  };
}

async function configure(
  site: Site,
  certificates: Certificates,
  ports: NginxSettings["ports"],
  options: NginxOptions,
): Promise<void> {
  const { gzip = true, http2 = true, webSocket = "pass", origins = [] } = options;
  const { certificateFile, keyFile } = certificates;
  const { gzipMinLengthBytes, upstreamPort } = options;
  const text = fillIn(await readTemplate("nginx/stanzapack.conf"), {
    ...{ ports, certificateFile, keyFile, gzip, gzipMinLengthBytes, http2, webSocket, origins },
    upstream: `127.0.0.1:${upstreamPort}`,
  });
  await site.write("stanzapack.conf", text);
}

/** Judges the log. Exported for its test. */
export function readNginxLog(log: string): StartState {
  // nginx retries for some seconds, but another process has the port.
  if (/bind\(\) to \S+ failed \(98: /.test(log)) return "port-taken";
  return /start worker process \d+/.test(log) ? "ready" : "starting";
}
