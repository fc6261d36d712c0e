import { randomInt } from "node:crypto";
import { createServer } from "node:net";
import { SandboxError } from "./errors.js";

/**
 * Lowest port. The ports are below the kernel's range for outgoing connections (from 32768 on). So no client's own port
 * takes a port of ours while the server is down for a restart.
 */
const FIRST_PORT = 20_000;
const LAST_PORT = 31_999;

/** Random tries. If 200 random ports of 12,000 are all taken, the machine has another problem. */
const MAX_TRIES = 200;

const reserved = new Set<number>();

/**
 * Reserves ports on 127.0.0.1 that were free a moment ago. This process gives them to nobody else until `releasePorts`.
 * Another process may still take one first; then the caller tries again.
 */
export async function reservePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  try {
    while (ports.length < count) ports.push(await reserveOne());
  } catch (error) {
    releasePorts(ports);
    throw error;
  }
  return ports;
}

export function releasePorts(ports: readonly number[]): void {
  for (const port of ports) reserved.delete(port);
}

async function reserveOne(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries += 1) {
    const port = randomInt(FIRST_PORT, LAST_PORT + 1);
    if (reserved.has(port)) continue;
    reserved.add(port);
    if (await isFree(port)) return port;
    reserved.delete(port);
  }
  throw new SandboxError("port-taken", `no free port found on 127.0.0.1 from ${FIRST_PORT} to ${LAST_PORT}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => {
      resolve(false);
    });
    probe.listen({ host: "127.0.0.1", port, exclusive: true }, () => {
      probe.close(() => {
        resolve(true);
      });
    });
  });
}
