import { createClientConnection } from "../client-connection.js";
import type { ClientConnectionOptions, Connection } from "../connection.js";
import type { XmppError } from "../errors.js";
import type { TransportKind } from "../transport.js";
import type { Certificate } from "./fake-server.js";
import { startHostileServer, type HostilePeer } from "./hostile-server.js";
import { memoryHeld } from "./memory.js";
import { until } from "./until.js";

/** What a connection went through. */
export interface Ordeal {
  /** Why the first stream ended, or none could be made. */
  readonly reason: XmppError;
  readonly elapsedMs: number;
  /** Most that was held in the heap and by what hangs on it, beyond what was held before, in bytes: garbage is collected first. */
  readonly peakBytes: number;
  /** Most that the process grew, in bytes, while garbage was collected all the time. */
  readonly peakRssBytes: number;
  /** Sockets and timers that were left. */
  readonly leftovers: readonly string[];
  /** What nobody caught. */
  readonly uncaught: readonly unknown[];
}

/** What is held when everything that ends in a later turn has ended, in bytes. */
export async function memoryInUse(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    memoryHeld();
  }
  return memoryHeld();
}

/** How long one look at the memory lets pass to the next, in ms: a look takes some 5 ms. */
const SAMPLE_MS = 20;

const resources = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|Immediate|HTTP/.test(name));

/** Starts what `begin` makes, and ends it with the first thing that goes wrong. */
export async function endure(begin: Begin): Promise<Ordeal> {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught);
  const before = { resources: resources().length, memory: memoryHeld(), rss: process.memoryUsage.rss() };
  const peak = { memory: before.memory, rss: before.rss };
  const sampler = setInterval(() => {
    peak.memory = Math.max(peak.memory, memoryHeld());
    peak.rss = Math.max(peak.rss, process.memoryUsage.rss());
  }, SAMPLE_MS);
  try {
    // What it made is out of reach when it has returned.
    const { reason, elapsedMs } = await run(begin);
    clearInterval(sampler);
    await until(() => resources().length <= before.resources).catch(() => undefined);
    // A rejection is called unhandled a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    return {
      reason,
      elapsedMs,
      peakBytes: peak.memory - before.memory,
      peakRssBytes: peak.rss - before.rss,
      leftovers: resources().length <= before.resources ? [] : resources(),
      uncaught,
    };
  } finally {
    clearInterval(sampler);
    process.off("uncaughtException", onUncaught).off("unhandledRejection", onUncaught);
  }
}

type Begin = () => Promise<{ readonly connection: Connection; readonly close: () => Promise<void> }>;

async function run(begin: Begin): Promise<{ reason: XmppError; elapsedMs: number }> {
  const { connection, close } = await begin();
  const start = performance.now();
  try {
    const offline = new Promise<XmppError>((resolve) => {
      connection.on("offline", ({ reason }) => {
        resolve(reason as XmppError);
      });
    });
    const reason = await connection.start().then(
      () => offline,
      (error: unknown) => error as XmppError,
    );
    return { reason, elapsedMs: performance.now() - start };
  } finally {
    await connection.stop();
    await close();
  }
}

/** A client's, with a server that does the fault. */
export function endureServer(
  kind: TransportKind,
  certificate: Certificate,
  onPeer: (peer: HostilePeer) => unknown,
  options: Partial<ClientConnectionOptions> & { readonly tls?: boolean } = {},
): Promise<Ordeal> {
  return endure(async () => {
    const { tls = false, ...own } = options;
    const server = await startHostileServer(kind, certificate, onPeer, { tls });
    const connection = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: server.url,
      resource: "r",
      ca: certificate.ca,
      timeouts: { onlineMs: 100_000, closeMs: 50 },
      // It is stopped before it tries again.
      reconnect: { minMs: 60_000, maxMs: 60_000 },
      bosh: { giveUpMs: 300, retryMinMs: 1, retryMaxMs: 20 },
      ...own,
    });
    return { connection, close: () => server.close() };
  });
}
