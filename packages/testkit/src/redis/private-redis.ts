import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../base/until.js";

/** Time from the start of Redis to its readiness, on an idle machine, in ms. */
const START_MS = 2_000;

export interface PrivateRedisOptions {
  /**
   * Settings beside the defaults, or in place of them. Default: `appendonly yes` and `appendfsync always`, on loopback,
   * without a password.
   */
  readonly settings?: Readonly<Record<string, string>>;
  /** Where its directory is made. Default: the folder of temporary files. */
  readonly folder?: string;
}

/** A Redis of Debian's package that only this process uses. Its data survives `stop` and `kill`, and `close` ends it. */
export type PrivateRedis = RedisServerProcess;

/** Starts a Redis on a free port of 127.0.0.1. The caller closes it. */
export function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const { settings = {}, folder = tmpdir() } = options;
  const prepare = (directory: string, port: number): Promise<Launch> => {
    const all = {
      ...{ port: String(port), bind: "127.0.0.1", dir: directory },
      ...{ appendonly: "yes", appendfsync: "always", save: "", daemonize: "no" },
      ...settings,
    };
    return Promise.resolve({
      args: Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]),
      isReady: (log) => log.includes("Ready to accept connections"),
    });
  };
  return startServer(prepare, { folder, password: settings["requirepass"] });
}

interface Launch {
  readonly args: readonly string[];
  /** Whether the log shows that the server takes commands. */
  readonly isReady: (log: string) => boolean;
}

/** Starts `redis-server` in a directory of its own. `prepare` returns its arguments. */
export async function startServer(
  prepare: (directory: string, port: number) => Promise<Launch>,
  { folder = tmpdir(), password }: { readonly folder?: string; readonly password?: string | undefined } = {},
): Promise<RedisServerProcess> {
  const directory = await mkdtemp(join(folder, "stanzapack-redis-"));
  const port = await freePort();
  const server = new RedisServerProcess(directory, port, await prepare(directory, port), password);
  try {
    await server.start();
  } catch (error) {
    await server.close();
    throw error;
  }
  return server;
}

/** A process of `redis-server`. */
export class RedisServerProcess {
  readonly host = "127.0.0.1";
  private child: ChildProcess | undefined;

  constructor(
    private readonly directory: string,
    readonly port: number,
    private readonly launch: Launch,
    private readonly password: string | undefined,
  ) {}

  /** Starts it again, with its data. Resolves when it takes commands. */
  async start(): Promise<void> {
    const { args, isReady } = this.launch;
    const file = join(this.directory, "log");
    const log = await open(file, "w");
    // The kernel ends Redis when this process dies.
    const child = spawn("setpriv", ["--pdeathsig=KILL", "--", "redis-server", ...args], {
      ...{ cwd: this.directory, stdio: ["ignore", log.fd, log.fd] },
    });
    this.child = child;
    await once(child, "spawn");
    await log.close();
    let text = "";
    const look = setInterval(() => {
      void readFile(file, "utf8").then((read) => (text = read));
    }, 10);
    try {
      await until(() => hasEnded(child) || isReady(text), START_MS, "Redis");
    } finally {
      clearInterval(look);
    }
    if (hasEnded(child)) throw new Error(`Redis has ended: ${await readFile(file, "utf8")}`);
  }

  /** Lets it end in order. */
  stop(): Promise<void> {
    return this.end("SIGTERM");
  }

  /** Ends it at once, as a crash does. */
  kill(): Promise<void> {
    return this.end("SIGKILL");
  }

  private async end(signal: NodeJS.Signals): Promise<void> {
    const { child } = this;
    if (child === undefined || hasEnded(child)) return;
    const exited = once(child, "exit");
    child.kill(signal);
    // A stopped process ends only once it goes on.
    child.kill("SIGCONT");
    await exited;
  }

  /** Stops its process, which keeps its connections. */
  pause(): void {
    this.child?.kill("SIGSTOP");
  }

  /** Lets a stopped process go on. */
  proceed(): void {
    this.child?.kill("SIGCONT");
  }

  /** Sends one command, and resolves to the answer as `redis-cli` prints it. Rejects if Redis refuses the command. */
  async command(...args: string[]): Promise<string> {
    const options = ["-h", this.host, "-p", String(this.port), "-e"];
    const { password } = this;
    const env = password === undefined ? process.env : { ...process.env, REDISCLI_AUTH: password };
    const { stdout } = await promisify(execFile)("redis-cli", [...options, ...args], { env });
    return stdout.trimEnd();
  }

  /** Ends it, and removes its directory. Idempotent. */
  async close(): Promise<void> {
    await this.kill();
    await rm(this.directory, { recursive: true, force: true });
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, "close");
  return port;
}
