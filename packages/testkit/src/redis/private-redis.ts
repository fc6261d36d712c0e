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
}

/** A Redis of Debian's package that only this process uses. Its data survives `stop` and `kill`, and `close` ends it. */
export interface PrivateRedis {
  readonly host: string;
  readonly port: number;
  /** Starts it again, with its data. Resolves when it takes commands. */
  start(): Promise<void>;
  /** Lets it end in order. */
  stop(): Promise<void>;
  /** Ends it at once, as a crash does. */
  kill(): Promise<void>;
  /** Stops its process, which keeps its connections. `proceed` lets it go on. */
  pause(): void;
  proceed(): void;
  /** Removes all its data. It must not run. */
  erase(): Promise<void>;
  /** Sends one command, and resolves to the answer as `redis-cli` prints it. Rejects if Redis refuses the command. */
  command(...args: string[]): Promise<string>;
  /** Ends it, and removes its directory. Idempotent. */
  close(): Promise<void>;
}

/** Starts a Redis on a free port of 127.0.0.1. The caller closes it. */
export async function startPrivateRedis(options: PrivateRedisOptions = {}): Promise<PrivateRedis> {
  const directory = await mkdtemp(join(tmpdir(), "stanzapack-redis-"));
  const redis = new Process(directory, await freePort(), options.settings ?? {});
  try {
    await redis.start();
  } catch (error) {
    await redis.close();
    throw error;
  }
  return redis;
}

class Process implements PrivateRedis {
  readonly host = "127.0.0.1";
  private child: ChildProcess | undefined;

  constructor(
    private readonly directory: string,
    readonly port: number,
    private readonly settings: Readonly<Record<string, string>>,
  ) {}

  async start(): Promise<void> {
    const settings = {
      ...{ port: String(this.port), bind: this.host, dir: this.directory },
      ...{ appendonly: "yes", appendfsync: "always", save: "", daemonize: "no" },
      ...this.settings,
    };
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]);
    const log = await open(join(this.directory, "log"), "w");
    // The kernel ends Redis when this process dies.
    const child = spawn("setpriv", ["--pdeathsig=KILL", "--", "redis-server", ...args], {
      ...{ cwd: this.directory, stdio: ["ignore", log.fd, log.fd] },
    });
    this.child = child;
    await once(child, "spawn");
    await log.close();
    let text = "";
    const look = setInterval(() => {
      void readFile(join(this.directory, "log"), "utf8").then((read) => (text = read));
    }, 10);
    try {
      await until(() => hasEnded(child) || text.includes("Ready to accept connections"), START_MS, "Redis");
    } finally {
      clearInterval(look);
    }
    if (hasEnded(child))
      throw new Error(`Redis has ended: ${await readFile(join(this.directory, "log"), "utf8")}`);
  }

  stop(): Promise<void> {
    return this.end("SIGTERM");
  }

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

  pause(): void {
    this.child?.kill("SIGSTOP");
  }

  proceed(): void {
    this.child?.kill("SIGCONT");
  }

  async erase(): Promise<void> {
    await rm(join(this.directory, "appendonlydir"), { recursive: true, force: true });
    await rm(join(this.directory, "dump.rdb"), { force: true });
  }

  async command(...args: string[]): Promise<string> {
    const options = ["-h", this.host, "-p", String(this.port), "-e"];
    const { requirepass } = this.settings;
    const env = requirepass === undefined ? process.env : { ...process.env, REDISCLI_AUTH: requirepass };
    const { stdout } = await promisify(execFile)("redis-cli", [...options, ...args], { env });
    return stdout.trimEnd();
  }

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
