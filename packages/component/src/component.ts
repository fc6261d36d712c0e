import { randomInt } from "node:crypto";
import { createRowCodec, createRawDeflate, DEFAULT_LIMITS, StanzapackError } from "@stanzapack/wire";
import {
  beat,
  createComponentConnection,
  createInBandBytestreams,
  isLoopbackHost,
  XmppError,
  type Connection,
  monotonicNow,
  wallNow,
} from "@stanzapack/xmpp";
import { Purge } from "./admin/purge.js";
import { Broker } from "./broker/broker.js";
import { Budgets } from "./budgets/budgets.js";
import { createLogger } from "./base/component-logger.js";
import { FanOut } from "./fanout/fan-out.js";
import { FrameRequests } from "./subscriptions/frame-requests.js";
import { LinkTable, type LinkSettings } from "./links/link-table.js";
import { registerCursorRequests } from "./negotiation/cursor-requests.js";
import { Commands } from "./negotiation/commands.js";
import { RequestGate } from "./negotiation/request-gate.js";
import type { ResolvedConfig } from "./config/load-config.js";
import { registerLinkQuestions } from "./links/link-questions.js";
import { adviseOperator, failureOf } from "./links/server-advice.js";
import { compareConfigs, type Reloaded } from "./config/reload.js";
import { registerUnknownAddresses } from "./negotiation/unknown-addresses.js";
import { registerDisco } from "./negotiation/disco.js";
import { registerOrdinaryClients } from "./negotiation/ordinary-clients.js";
import { checkComponentOptions, checkConfig } from "./config/option-checks.js";
import { PubsubNegotiation } from "./negotiation/pubsub.js";
import { registerSubscribeAuthorization } from "./negotiation/subscribe-authorization.js";
import { safeLogger } from "./base/safe-logger.js";
import { registerSubscriptionEvents } from "./negotiation/subscription-events.js";
import { Monitoring } from "./metrics/monitoring.js";
import { RoundTrip } from "./metrics/round-trip.js";
import { survey } from "./metrics/survey.js";
import { OwnServices } from "./overview/own-services.js";
import { FreeSpace } from "./store/disk/free-space.js";
import { describePlace, openStore } from "./store/open-store.js";
import type { Nodes } from "./nodes/nodes.js";
import type { Store } from "./store/store.js";
import type { SpanSink } from "./tracing/otlp.js";
import { Tracing } from "./tracing/tracing.js";
import { createStats, type ComponentStats } from "./base/stats.js";
import type { ComponentOptions } from "./config/component-options.js";

/** Time between sweeps, in ms. It is the precision of every deadline that is not a tick. */
const SWEEP_MS = 1_000;
/** How long `stop` waits until the last write has left, in ms. */
const DRAIN_MS = 2_000;

export interface StreamsComponent {
  readonly domain: string;
  /**
   * Resolves when the server has accepted the component. Retries while the server cannot be reached, until `signal`
   * aborts. Before that, brings back the services of the config's store: rejects with `store-failed` if that is not
   * possible.
   */
  start(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Flushes every lane, sends BYE to every client, and closes the stream. Idempotent. */
  stop(): Promise<void>;
  stats(): ComponentStats;
  /**
   * Applies the limits, the envelope, the administrators and the log level of another config. The envelope applies to
   * new links. Returns the keys that changed, and the keys that need a restart. A lowered limit applies to later
   * requests only: links, services and subscriptions beyond the limit stay. Throws `invalid-options`.
   */
  reload(config: ResolvedConfig): Reloaded;
  /** Called once when the component cannot go on, for example because the server refuses its secret or its domain. */
  onEnded: ((error: StanzapackError) => void) | undefined;
}

/** The Stanzapack component (XEP-0114) of one domain. Throws `invalid-options`. */
export function createComponent(givenConfig: ResolvedConfig, given: ComponentOptions = {}): StreamsComponent {
  const config = checkConfig("createComponent", givenConfig);
  const options = checkComponentOptions(given);
  const log = safeLogger(options.logger ?? createLogger(config.log.level));
  const { domain, host, port, secret } = config.component;
  const tls = config.component.tls === true ? {} : config.component.tls || undefined;
  // All parts read this one object, and `reload` writes into it.
  const limits = { ...config.limits };
  let level = config.log.level;
  const adminSettings = { admins: config.admins };
  const linkSettings: LinkSettings = { limits, wireLimits: DEFAULT_LIMITS, envelope: config.envelope };
  const stats = createStats();
  const connection = createComponentConnection({
    ...{ domain, secret, host, port },
    ...(tls && { tls }),
    ...(options.reconnect === false && { reconnect: false }),
  });
  if (tls === undefined && !isLoopbackHost(host))
    log.warn(
      { host, port },
      "the stream to the server is not encrypted: others on the network between the two machines can read what users " +
        "send; set component.tls if the server supports it (ejabberd), or use a tunnel",
    );
  const isOurs = ours(domain, config.component.localDomains);
  const budgets = new Budgets(limits, stats, isOurs);
  // Registered before all other parts that read stanzas.
  const leaveAddresses = registerUnknownAddresses(connection, budgets, stats);
  const streams = createInBandBytestreams(connection, {
    // The link table counts the streams, by a limit that may change.
    maxStreams: Number.MAX_SAFE_INTEGER,
    maxBlockSizeBytes: DEFAULT_LIMITS.maxBlockBytes,
  });
  const codec = createRowCodec(DEFAULT_LIMITS, createRawDeflate());
  const fanOut = new FanOut(connection, stats, log);
  const broker = new Broker(fanOut, codec, limits, stats, () => randomInt(1, 2 ** 32), log, budgets);
  const requests = new FrameRequests(broker, fanOut, limits, stats, log);
  const links = new LinkTable(connection, streams, broker, fanOut, requests, linkSettings, stats, log);
  const negotiation = new PubsubNegotiation(broker, links, limits);
  const accountLinks = { ofAccount: links.ofAccount.bind(links), kept: requests.resumption };
  const commands = new Commands(broker, new Purge(broker, accountLinks, log), adminSettings);
  const gate = new RequestGate(connection, budgets, stats);

  const roundTrip = new RoundTrip(connection);
  const freeSpace = config.store.kind === "lmdb" ? new FreeSpace(config.store.path) : undefined;
  let store: Store | undefined;
  let nodes: Nodes | undefined;
  const readStats = (): ComponentStats => ({
    ...stats,
    services: broker.catalog.services.size,
    subscriptions: countSubscriptions(broker),
    cursors: broker.cursors.size,
    framesReceived: { ...stats.framesReceived },
    sentChars: { ...stats.sentChars },
    bodyChars: { ...stats.bodyChars },
    refusedFor: { ...stats.refusedFor },
  });
  const monitoring =
    config.metrics &&
    new Monitoring(
      config.metrics,
      {
        stats: () => stats,
        survey: () => survey(links.all(), broker.catalog.services.values(), monotonicNow()),
        online: () => connection.state === "online",
        cursors: () => broker.cursors.size,
        memory: () => ({
          lanes: broker.laneMemory.bytes,
          logs: broker.logs.memoryBytes,
          maps: broker.maps.memoryBytes,
        }),
        store: () => store?.usage(),
        nodeProblem: () => nodes?.problem,
      },
      roundTrip,
      log,
    );
  const ownServices = new OwnServices(
    domain,
    broker,
    {
      stats: () => stats,
      links: () => links.all(),
      store: () => (config.store.kind === "memory" ? undefined : store?.usage()),
      freeBytes: () => freeSpace?.bytes,
      roundTripMs: () => roundTrip.lastMs,
      nodes: () => nodes?.rows(),
    },
    log,
  );
  let spans: SpanSink | undefined;
  let stopSweeping: (() => void) | undefined;
  let stopping: Promise<void> | undefined;
  const undo: (() => void)[] = [
    leaveAddresses,
    negotiation.register(gate.guarded),
    registerDisco(gate.guarded, broker, commands),
    commands.register(gate.guarded),
    registerCursorRequests(gate.guarded, broker),
    registerSubscribeAuthorization(connection, broker),
    registerSubscriptionEvents(connection, broker),
    registerLinkQuestions(connection, links, stats),
    registerOrdinaryClients(gate.guarded, broker, stats),
    connection.on("online", ({ jid }) => {
      log.info({ jid, server: `${host}:${port}` }, "online");
      // This probe finds out whether the server returns the component's messages to itself. Later probes depend on
      // that.
      void connection.probe();
      links.askAll();
    }),
    connection.on("offline", ({ reason }) => {
      if (reason?.code !== "stopped") log.warn({ reason: reason?.message }, "stream to the server lost");
    }),
    connection.on("retrying", ({ reason, attempt, inMs }) =>
      log.warn(
        { server: `${host}:${port}`, domain, reason: reason.message, attempt, inMs: Math.round(inMs) },
        `not connected: ${adviseOperator(reason, config.component)}`,
      ),
    ),
    connection.on("ended", (reason) => {
      if (reason === undefined || reason.code === "stopped" || component.onEnded === undefined) return;
      component.onEnded(failureOf(reason, config.component));
    }),
  ];

  const component: StreamsComponent = {
    domain,
    onEnded: undefined,
    stats: readStats,
    reload(nextConfig) {
      const next = checkConfig("reload", nextConfig);
      const before = { ...config, ...adminSettings, limits, log: { level }, envelope: linkSettings.envelope };
      const reloaded = compareConfigs(before, next);
      Object.assign(limits, next.limits);
      linkSettings.envelope = next.envelope;
      adminSettings.admins = next.admins;
      observe();
      if (next.log.level !== level) log.level = level = next.log.level;
      return reloaded;
    },
    async start({ signal } = {}) {
      await monitoring?.start();
      await startTracing();
      await restore();
      observe();
      try {
        await connection.start(signal === undefined ? {} : { signal });
      } catch (error) {
        throw error instanceof XmppError ? failureOf(error, config.component) : error;
      }
      stopSweeping ??= beat(
        SWEEP_MS,
        sweep,
        (ms) => {
          stats.holdUps++;
          stats.heldUpMs += ms;
          log.warn({ ms }, "this process was held up: that time counts against nobody");
        },
        (ms) =>
          log.warn({ ms }, "the wall clock was set, or this machine slept: the times of later updates jump"),
      );
    },
    stop() {
      return (stopping ??= stop());
    },
  };

  /** Loads what sends spans, if the config asks for spans. */
  async function startTracing(): Promise<void> {
    if (config.tracing === undefined || spans !== undefined) return;
    const { endpoint, samplePercent } = config.tracing;
    const { createOtlpSink } = await import("./tracing/otlp.js");
    const sink = (spans = createOtlpSink(endpoint, domain, log));
    fanOut.tracing = broker.publishing.tracing = new Tracing(samplePercent / 100, sink.take);
    log.info({ endpoint, samplePercent }, "spans of updates go to this collector");
  }

  /** Begins what only metrics and administrators need. */
  function observe(): void {
    ownServices.offerTo(adminSettings.admins);
    if (monitoring !== undefined || adminSettings.admins.length > 0) roundTrip.start();
  }

  /** Takes this node's place among others. Resolves to how many services it brings back. */
  async function joinNodes(
    shared: Store,
    { weight, region }: NonNullable<typeof config.nodes>,
  ): Promise<number> {
    const { Nodes } = await import("./nodes/nodes.js");
    nodes = new Nodes({
      ...{ domain, broker, store: shared, log },
      describe: () => ({
        ...{ weight, region, links: links.size, subscriptions: countSubscriptions(broker) },
      }),
      verify: (fullJid) => links.verify(fullJid),
      ...{ connection, sendAway: (why: string) => links.sendAway(why) },
    });
    linkSettings.siblings = nodes.placement;
    return nodes.start();
  }

  /** Opens the store, once, and brings back what it has. */
  async function restore(): Promise<void> {
    if (store !== undefined) return;
    store = await openStore(config.store, limits, isOurs, log, stats, monitoring?.committed);
    if (config.nodes !== undefined && store?.share === undefined)
      throw new StanzapackError(
        "invalid-options",
        "`nodes` needs `store: { kind: redis }`, which nodes share",
      );
    if (store === undefined || config.store.kind === "memory") {
      log.info({ store: "memory" }, "everything is kept in memory: a restart of the component loses it");
      return;
    }
    broker.stored.use(store);
    await broker.cursors.use(store.cursors);
    store.onRestarted = () => broker.cursors.rewrite();
    const services = await (config.nodes === undefined
      ? broker.offers.restore()
      : joinNodes(store, config.nodes));
    const { kind } = config.store;
    const place = kind === "lmdb" ? { path: config.store.path } : { redis: describePlace(config.store) };
    log.info(
      { store: kind, ...place, services },
      "the store is open: services, logs, maps and cursors are kept here",
    );
  }

  function sweep(now: number): void {
    broker.sweep(now);
    nodes?.sweep(now);
    ownServices.sweep(now);
    store?.sweep(wallNow());
    links.sweep(now);
    requests.resumption.sweep();
  }

  async function stop(): Promise<void> {
    log.info({ links: links.size, services: broker.catalog.services.size }, "stopping");
    stopSweeping?.();
    roundTrip.stop();
    if (connection.state === "online") {
      fanOut.flushAll(broker.catalog.services.values());
      links.farewell();
      await drained(connection);
    }
    for (const off of undo) off();
    gate.stop();
    requests.stop();
    fanOut.stop();
    broker.stop();
    ownServices.stop();
    links.clear();
    streams.dispose();
    await connection.stop();
    await monitoring?.stop();
    await spans?.stop();
    await nodes?.stop();
    await store?.close();
  }
  return component;
}

/** Returns a test for the operator's domains: the component's own, those above it, and those that the config names. */
function ours(own: string, named: readonly string[] = []): (domain: string) => boolean {
  return (domain) => domain === own || own.endsWith(`.${domain}`) || named.includes(domain);
}

function countSubscriptions(broker: Broker): number {
  let count = 0;
  for (const service of broker.catalog.services.values()) count += service.subscriptions.size;
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
