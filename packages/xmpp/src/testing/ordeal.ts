import { createClientConnection } from "../connection/client-connection.js";
import type { ClientConnectionOptions, Connection } from "../connection/connection.js";
import type { XmppError } from "../base/errors.js";
import type { TransportKind } from "../transports/transport.js";
import type { Certificate } from "./fake-server.js";
import { startHostileServer, type HostilePeer } from "./hostile-server.js";
import { memoryHeld } from "./memory.js";
import { until } from "./until.js";

/** Result of a connection to a faulty server. */
export interface Ordeal {
  /** Why the first stream ended, or why there was none. */
  readonly reason: XmppError;
  readonly elapsedMs: number;
  /**
   * Largest growth of the heap with its buffers, in bytes, measured after garbage collections. NaN when memory is not
   * watched.
   */
  readonly peakBytes: number;
  /** Largest growth of the process, in bytes, with frequent garbage collections. NaN when memory is not watched. */
  readonly peakRssBytes: number;
  /** Sockets and timers that were left. */
  readonly leftovers: readonly string[];
  /** Errors that nobody caught. */
  readonly uncaught: readonly unknown[];
}

/** Memory in use after everything that ends in a later turn has ended, in bytes. */
export async function memoryInUse(): Promise<number> {
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    memoryHeld();
  }
  return memoryHeld();
}

/**
 * Least time between two looks at the memory, in ms. It is at least twice the time that a look takes, since a slow
 * machine would do nothing else.
 */
const SAMPLE_MS = 20;

/** Watches the memory until the returned function is called. That function returns the largest growth, in bytes. */
function watchMemory(): () => { readonly peakBytes: number; readonly peakRssBytes: number } {
  const before = { memory: memoryHeld(), rss: process.memoryUsage.rss() };
  let [memory, rss] = [before.memory, before.rss];
  let timer: NodeJS.Timeout;
  const look = (): void => {
    const start = performance.now();
    memory = Math.max(memory, memoryHeld());
    rss = Math.max(rss, process.memoryUsage.rss());
    timer = setTimeout(look, Math.max(SAMPLE_MS, 2 * (performance.now() - start)));
  };
  look();
  return () => {
    clearTimeout(timer);
    return { peakBytes: memory - before.memory, peakRssBytes: rss - before.rss };
  };
}

const watchNothing = (): ReturnType<typeof watchMemory> => () => ({ peakBytes: NaN, peakRssBytes: NaN });

const resources = (): string[] =>
  process.getActiveResourcesInfo().filter((name) => /TCP|TLS|Timeout|Immediate|HTTP/.test(name));

/** Starts the connection that `begin` makes, and stops it after its first fault. `isWatched`: measures its memory. */
export async function endure(begin: Begin, isWatched = false): Promise<Ordeal> {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught);
  const before = resources().length;
  const stopWatching = isWatched ? watchMemory() : watchNothing();
  try {
    // When `run` has returned, nothing refers to the connection any more.
    const { reason, elapsedMs } = await run(begin);
    const peaks = stopWatching();
    await until(() => resources().length <= before).catch(() => undefined);
    // Node reports an unhandled rejection one turn later.
    await new Promise((resolve) => setImmediate(resolve));
    const leftovers = resources().length <= before ? [] : resources();
    return { reason, elapsedMs, ...peaks, leftovers, uncaught };
  } finally {
    stopWatching();
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

/** Runs a client with a server that `onPeer` plays. */
export function endureServer(
  kind: TransportKind,
  certificate: Certificate,
  onPeer: (peer: HostilePeer) => unknown,
  options: Partial<ClientConnectionOptions> & { readonly tls?: boolean; readonly isWatched?: boolean } = {},
): Promise<Ordeal> {
  const { tls = false, isWatched = false, ...own } = options;
  return endure(async () => {
    const server = await startHostileServer(kind, certificate, onPeer, { tls });
    const connection = createClientConnection({
      jid: "bob@example.test",
      password: "p",
      url: server.url,
      resource: "r",
      ca: certificate.ca,
      timeouts: { onlineMs: 100_000, closeMs: 50 },
      // So long that the connection is stopped before it tries again.
      reconnect: { minMs: 60_000, maxMs: 60_000 },
      bosh: { giveUpMs: 300, retryMinMs: 1, retryMaxMs: 20 },
      ...own,
    });
    return { connection, close: () => server.close() };
  }, isWatched);
}
