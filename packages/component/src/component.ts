import { randomInt } from "node:crypto";
import { createRowCodec, createRawDeflate, DEFAULT_LIMITS, StanzapackError } from "@stanzapack/wire";
import {
  beat,
  createComponentConnection,
  createInBandBytestreams,
  NS,
  StanzaError,
  XmppError,
  type Connection,
  monotonicNow,
} from "@stanzapack/xmpp";
import { pino, type Logger } from "pino";
import { Broker } from "./broker.js";
import { Budgets } from "./budgets/budgets.js";
import { FanOut } from "./fan-out.js";
import { FrameRequests } from "./frame-requests.js";
import { LinkTable } from "./link-table.js";
import type { ResolvedConfig } from "./load-config.js";
import { compareConfigs, type Reloaded } from "./reload.js";
import { registerDisco } from "./negotiation/disco.js";
import { PubsubNegotiation } from "./negotiation/pubsub.js";
import { registerSubscribeAuthorization } from "./negotiation/subscribe-authorization.js";
import { createStats, type ComponentStats } from "./stats.js";

/** Between sweeps, in ms: the precision of every deadline that is not a tick. */
const SWEEP_MS = 1_000;
/** How long a stop waits for the last write to leave, in ms. */
const DRAIN_MS = 2_000;

export interface StreamsComponent {
  readonly domain: string;
  /** Resolves when the server accepted the component; retries while the server is not there, until `signal`. */
  start(options?: { readonly signal?: AbortSignal }): Promise<void>;
  /** Flushes every lane, tells every client, closes the stream. Idempotent. */
  stop(): Promise<void>;
  stats(): ComponentStats;
  /**
   * Takes the limits and the log level of another config from now on; tells what that changes, and what only a restart would. Who is
   * over a lower limit stays: it holds for what comes next.
   */
  reload(config: ResolvedConfig): Reloaded;
  /** Called once when it cannot go on: the server refuses its secret or its place. */
  onEnded: ((error: StanzapackError) => void) | undefined;
}

/** The Stanzapack component (XEP-0114) of one domain. */
export function createComponent(
  config: ResolvedConfig,
  options: { readonly logger?: Logger } = {},
): StreamsComponent {
  const log = options.logger ?? pino({ level: config.log.level }, pino.destination(2));
  const { domain, host, port, secret } = config.component;
  // One object, which everyone reads: `reload` writes it.
  const limits = { ...config.limits };
  let level = config.log.level;
  const stats = createStats();
  const connection = createComponentConnection({ domain, secret, host, port });
  const streams = createInBandBytestreams(connection, {
    // The link table counts them, by a limit that may change.
    maxStreams: Number.MAX_SAFE_INTEGER,
    maxBlockSizeBytes: DEFAULT_LIMITS.maxBlockBytes,
  });
  const deflate = createRawDeflate();
  const codec = createRowCodec(DEFAULT_LIMITS, deflate);
  const fanOut = new FanOut(connection, stats, log);
  const budgets = new Budgets(limits, stats, ours(domain, config.component.localDomains));
  const broker = new Broker(fanOut, codec, limits, stats, () => randomInt(1, 2 ** 32), log, budgets);
  const requests = new FrameRequests(broker, fanOut, limits, stats, log);
  const links = new LinkTable(
    connection,
    streams,
    broker,
    fanOut,
    requests,
    { limits, wireLimits: DEFAULT_LIMITS, deflate },
    stats,
    log,
  );
  const negotiation = new PubsubNegotiation(broker, links, limits, stats);

  let stopSweeping: (() => void) | undefined;
  let stopping: Promise<void> | undefined;
  const undo: (() => void)[] = [
    negotiation.register(connection),
    registerDisco(connection, broker, stats),
    registerSubscribeAuthorization(connection, broker, stats),
    connection.onIq("get", NS.PING, "ping", async ({ from, to }) => {
      // A client asks for its own link by the sid as our resource: after a restart we know no such link.
      const sid = to.slice(domain.length + 1);
      const link = links.get(from);
      if (link !== undefined) link.heardAt = monotonicNow();
      if (sid === "") return undefined;
      if (link?.stream.sid !== sid) {
        stats.strays++;
        throw new StanzaError("item-not-found", "cancel", "no such link");
      }
      // The answer is a barrier: everything received is acknowledged before it.
      await links.acknowledge(link);
      return undefined;
    }),
    connection.onStanza((stanza) => {
      if (!stanza.is("presence")) return false;
      const type = stanza.attrs["type"] as string | undefined;
      if (type === "unavailable" || type === "error") links.hint(stanza.attrs["from"] as string);
      return true;
    }),
    connection.on("online", ({ jid }) => {
      log.info({ jid, server: `${host}:${port}` }, "online");
      // From now on it is known whether it gives them back.
      void connection.probe();
    }),
    connection.on("offline", ({ reason }) =>
      log.warn({ reason: reason?.message }, "stream to the server lost"),
    ),
    connection.on("ended", (reason) => {
      if (reason === undefined || reason.code === "stopped" || component.onEnded === undefined) return;
      component.onEnded(fromXmppError(reason, config.component));
    }),
  ];

  const component: StreamsComponent = {
    domain,
    onEnded: undefined,
    stats: () => ({
      ...stats,
      services: broker.services.size,
      subscriptions: countSubscriptions(broker),
      framesReceived: { ...stats.framesReceived },
    }),
    reload(next) {
      const before = { ...config, limits, log: { level } };
      const reloaded = compareConfigs(before, next);
      Object.assign(limits, next.limits);
      if (next.log.level !== level) log.level = level = next.log.level;
      return reloaded;
    },
    async start({ signal } = {}) {
      try {
        await connection.start(signal === undefined ? {} : { signal });
      } catch (error) {
        throw error instanceof XmppError ? fromXmppError(error, config.component) : error;
      }
      stopSweeping ??= beat(
        SWEEP_MS,
        sweep,
        (ms) => {
          stats.holdUps++;
          stats.heldUpMs += ms;
          log.warn({ ms }, "this process was held up: nobody is judged by that time");
        },
        (ms) =>
          log.warn(
            { ms },
            "the wall clock was set, or this machine slept: updates have other times from now on",
          ),
      );
    },
    stop() {
      return (stopping ??= stop());
    },
  };

  function sweep(now: number): void {
    broker.sweep(now);
    links.sweep(now);
    requests.resumption.sweep();
  }

  async function stop(): Promise<void> {
    log.info({ links: links.size, services: broker.services.size }, "stopping");
    stopSweeping?.();
    if (connection.state === "online") {
      fanOut.flushAll(broker.services.values());
      links.farewell();
      fanOut.flushAll([]);
      await drained(connection);
    }
    for (const off of undo) off();
    requests.stop();
    fanOut.stop();
    broker.stop();
    links.clear();
    streams.dispose();
    await connection.stop();
  }
  return component;
}

/** Whether a domain is the operator's: the one that the component's is under, or one that the config names. */
function ours(own: string, named: readonly string[] = []): (domain: string) => boolean {
  return (domain) => domain === own || own.endsWith(`.${domain}`) || named.includes(domain);
}

function countSubscriptions(broker: Broker): number {
  let count = 0;
  for (const service of broker.services.values()) count += service.subscriptions.size;
  return count;
}

async function drained(connection: Connection): Promise<void> {
  if (connection.writable) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, DRAIN_MS);
    const off = connection.on("drain", () => {
      clearTimeout(timer);
      off();
      resolve();
    });
  });
}

function fromXmppError(
  error: XmppError,
  at: { domain: string; host: string; port: number },
): StanzapackError {
  const where = `the server at ${at.host}:${at.port}`;
  switch (error.code) {
    case "auth":
      return new StanzapackError("auth-failed", `${where} refused the secret of ${at.domain}`, {
        cause: error,
      });
    case "conflict":
      return new StanzapackError("conflict", `${where} already has a component ${at.domain} connected`, {
        cause: error,
        scope: "link",
      });
    case "aborted":
      return new StanzapackError("aborted", "starting was given up", { cause: error });
    case "stopped":
      return new StanzapackError("stopped", "the component was stopped", { cause: error });
    default:
      return new StanzapackError(
        error.code === "timeout" ? "timeout" : "unreachable",
        `${where} could not be reached: ${error.message}`,
        { cause: error },
      );
  }
}
