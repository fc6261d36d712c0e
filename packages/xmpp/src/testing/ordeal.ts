import { createClientConnection } from "../connection/client-connection.js";
import type { ClientConnectionOptions, Connection } from "../connection/connection.js";
import type { XmppError } from "../base/errors.js";
import type { TransportKind } from "../transports/transport.js";
import type { Certificate } from "./fake-server.js";
import { startHostileServer, type HostilePeer } from "./hostile-server.js";
import { memoryHeld } from "./memory.js";
import { until } from "./until.js";

/** What a connection went through. */
export interface Ordeal {
  /** Why the first stream ended, or none could be made. */
  readonly reason: XmppError;
  readonly elapsedMs: number;
  /** Most that was held in the heap and by what hangs on it, beyond what was held before, in bytes: garbage is collected first. NaN where nobody looks. */
  readonly peakBytes: number;
  /** Most that the process grew, in bytes, while garbage was collected all the time. NaN where nobody looks. */
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

/** How long one look at the memory lets pass to the next, in ms, or twice as long as it took: on a slow machine looks would be all there is. */
const SAMPLE_MS = 20;

/** Looks at the memory until it is stopped; gives the most that was there, in bytes. */
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

/** Starts what `begin` makes, and ends it with the first thing that goes wrong. `isWatched`: its memory is looked at. */
export async function endure(begin: Begin, isWatched = false): Promise<Ordeal> {
  const uncaught: unknown[] = [];
  const onUncaught = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", onUncaught).on("unhandledRejection", onUncaught);
  const before = resources().length;
  const stopWatching = isWatched ? watchMemory() : watchNothing();
  try {
    // What it made is out of reach when it has returned.
    const { reason, elapsedMs } = await run(begin);
    const peaks = stopWatching();
    await until(() => resources().length <= before).catch(() => undefined);
    // A rejection is called unhandled a turn later.
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

/** A client's, with a server that does the fault. */
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
      // It is stopped before it tries again.
      reconnect: { minMs: 60_000, maxMs: 60_000 },
      bosh: { giveUpMs: 300, retryMinMs: 1, retryMaxMs: 20 },
      ...own,
    });
    return { connection, close: () => server.close() };
  }, isWatched);
}
