import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { startServer, type PrivateRedis, type RedisServerProcess } from "./private-redis.js";

/** Time without an answer after which the sentinel takes the primary for dead, in ms. */
const DOWN_MS = 1_000;

/** A Redis Sentinel that only this process uses. It alone decides on a failover. */
export type PrivateSentinel = Pick<RedisServerProcess, "host" | "port" | "command" | "close">;

/** Starts a sentinel that watches `primary` under the name `master`. The caller closes it. */
export function startPrivateSentinel(master: string, primary: PrivateRedis): Promise<PrivateSentinel> {
  return startServer(async (directory, port) => {
    const file = join(directory, "sentinel.conf");
    const lines = [
      ...[`port ${port}`, "bind 127.0.0.1", `dir ${directory}`],
      `sentinel monitor ${master} ${primary.host} ${primary.port} 1`,
      `sentinel down-after-milliseconds ${master} ${DOWN_MS}`,
      `sentinel failover-timeout ${master} 5000`,
    ];
    await writeFile(file, `${lines.join("\n")}\n`);
    return { args: [file, "--sentinel"], isReady: (log) => log.includes("+monitor master") };
  });
}
