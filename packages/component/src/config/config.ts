import { MAX_WEIGHT } from "@stanzapack/wire";
import { prepareDomainName, prepareJid } from "@stanzapack/xmpp";
import { z } from "zod";
import { storeSchema } from "./store-config.js";

const port = z.number().int().min(1).max(65_535);
const count = z.number().int().positive();
/** A domain name, prepared as in JIDs: with its own letters (U-labels). */
const domain = z.string().transform((text, context) => {
  try {
    return prepareDomainName(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/** A bare JID, prepared. */
const account = z.string().transform((text, context) => {
  try {
    const jid = prepareJid(text);
    if (!jid.includes("/") && jid.includes("@")) return jid;
    context.addIssue({
      code: "custom",
      message: `\`${text.slice(0, 200)}\` is no bare JID, like ann@example.org`,
    });
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
  }
  return z.NEVER;
});

/**
 * Shape of the config file (YAML). Every limit has a default. Unknown keys are refused, because they are probably
 * misspelt.
 */
export const configSchema = z.strictObject({
  component: z
    .strictObject({
      /** The component's domain, as the server's configuration names it. */
      domain,
      /** Host of the server's component port. */
      host: z.string().min(1).default("127.0.0.1"),
      /** The server's component port (XEP-0114). */
      port: port.default(5347),
      /**
       * `true`: TLS from the first byte to the server's component port. The certificate must be for `host`, from an
       * authority that the system trusts. An object has one or both of `caFile`, a PEM file of a further authority, and
       * `serverName`, the name that the certificate must have instead of `host`.
       */
      tls: z
        .union(
          [
            z.boolean(),
            z.strictObject({
              /** PEM file of a further trusted authority, relative to the config file. */
              caFile: z.string().min(1).optional(),
              /** The name that the certificate must have. Default: `host`. */
              serverName: z.string().min(1).optional(),
            }),
          ],
          { error: "give true, false, or an object with caFile and serverName, both optional" },
        )
        .default(false),
      /**
       * Further domains of the operator. The component's own domain, and the domains above it, count without being
       * named. JIDs of all other domains have smaller budgets.
       */
      localDomains: z.array(domain).default([]),
      /** File that holds the shared secret, relative to the config file. */
      secretFile: z.string().min(1).optional(),
      /** The secret itself, for a quick trial. `secretFile` keeps the secret out of the config. */
      secret: z.string().min(1).optional(),
    })
    .refine((c) => (c.secret === undefined) !== (c.secretFile === undefined), {
      message: "give either secretFile or secret",
    }),
  /** Where the component keeps services, logs, maps, cursors and approvals: on its disk, or in memory. */
  store: storeSchema.optional(),
  /**
   * Makes this component one of several nodes, which have the same Redis and `store.prefix`, each with a domain of its
   * own. `nodes: {}` is enough. Without this key, the component is alone.
   */
  nodes: z
    .strictObject({
      /** Share of the clients that this node takes, compared with the other nodes. 0: only if there is no other. */
      weight: z.number().int().min(0).max(MAX_WEIGHT).default(100),
      /** Where this node is, in words for operators. */
      region: z.string().min(1).max(64).optional(),
    })
    .optional(),
  /**
   * Bare JIDs of administrators. They may see what the component does, by `stanzapack top` and by services that the
   * component itself offers. They may run `stanzapack purge`, which removes everything that the component keeps of an
   * account.
   */
  admins: z.array(account).max(1_000).default([]),
  /**
   * `auto`: small blocks travel as lean stanzas if the client's HELLO lists them, and the server passes such stanzas on
   * unchanged. `ibb`: all blocks travel as In-Band Bytestreams.
   */
  envelope: z.enum(["auto", "ibb"]).default("auto"),
  limits: z
    .strictObject({
      /** Most links (In-Band Bytestreams) at once. */
      maxLinks: count.default(50_000),
      /** Most links opened a second, on average. The component refuses further opens with a time to retry. */
      opensPerSecond: count.default(200),
      /** Most links opened at once after a pause. */
      opensBurst: count.default(400),
      /** Part of `opensPerSecond` and `opensBurst` that one bare JID, or one other domain, may use, in percent. */
      opensSharePercent: count.max(100).default(25),
      /** Most updates a second that one full JID publishes, on average. The component slows a publisher with more. */
      updatesPerSecond: count.default(5_000),
      /**
       * Most bytes a second that one full JID publishes, on average: its blocks before base64, and 256 bytes for each
       * stanza.
       */
      publishedBytesPerSecond: count.default(1_048_576),
      /**
       * Most requests a second of one full JID, on average: negotiation, discovery, opens. A heavy request counts as
       * several. The component refuses further requests with a time to retry.
       */
      requestsPerSecond: count.default(100),
      /** A JID may use the unused rates of this many seconds at once. */
      burstSeconds: count.default(10),
      /**
       * Largest debt of a JID beyond its burst, in seconds of its rate. A JID with a larger debt is cut off: its links
       * end, and the component refuses everything for `cutOffSeconds`.
       */
      cutOffDebtSeconds: count.default(30),
      /** How long a JID is cut off, in seconds. */
      cutOffSeconds: count.default(60),
      /** Rates of one bare JID, as a multiple of the rates of one full JID. */
      bareJidShare: count.default(4),
      /**
       * Rates and counts of one other domain, as a multiple of the rates and counts of one of its bare JIDs. The
       * operator's own domains have no bound.
       */
      domainShare: count.default(10),
      /** Rates and counts of a JID of another domain, in percent of those of a JID of the operator's own domains. */
      remotePercent: count.default(25),
      /** Most links of one bare JID. */
      maxLinksPerJid: count.default(1_000),
      /** Most subscriptions of one bare JID. */
      maxSubscriptionsPerJid: count.default(40_000),
      /** Most lanes in use that one bare JID was the first to request. */
      maxLanesPerJid: count.default(40_000),
      /** Most services that one bare JID may offer. */
      maxServicesPerOwner: count.default(1_000),
      /** Most services in all. */
      maxServices: count.default(100_000),
      /** Most subscriptions of one link. */
      maxSubscriptionsPerLink: count.default(10_000),
      /** Most requests by frame of one link that are not yet answered completely. One more ends the link. */
      maxRequestsPerLink: count.default(16),
      /** Most patterns (`alice@example.org/t*`) that one link subscribes to. */
      maxPatternsPerLink: count.default(100),
      /**
       * Most different selections (fields, a rate, a deadband, and so on) of one service. A subscription without a
       * selection is always possible.
       */
      maxSelectionsPerService: count.default(32),
      /**
       * Most selections of one service that one bare JID was the first to request. One account thus cannot use all of
       * `maxSelectionsPerService`.
       */
      maxSelectionsPerAccount: count.default(8),
      /** Most members of one whitelist, and most JIDs that the publisher of one service approves. */
      maxMembers: count.default(10_000),
      /** Most named cursors of one bare JID. */
      maxCursorsPerJid: count.default(1_000),
      /** Most named cursors of one service. */
      maxCursorsPerService: count.default(1_000),
      /** Most named cursors in all. */
      maxCursors: count.default(100_000),
      /** Time after which the component deletes a named cursor that nobody uses, in seconds. 2,592,000: 30 days. */
      cursorSeconds: count.default(2_592_000),
      /** Most requests of one bare JID that await approval. */
      maxPendingPerAsker: count.default(20),
      /** Most requests that await the approval of one publisher. */
      maxPendingPerOwner: count.default(100),
      /** Most requests that await approval in all. */
      maxPending: count.default(10_000),
      /** Most calls in all that wait for their results. */
      maxCalls: count.default(20_000),
      /** Most calls of one bare JID that wait for their results. */
      maxCallsPerJid: count.default(32),
      /** Most calls to one service that wait for their results. */
      maxCallsPerService: count.default(256),
      /** Most calls that wait for the results of one publisher's link, for all its services. */
      maxCallsPerPublisher: count.default(1_024),
      /** Most bytes of the arguments of all calls that wait for the results of one publisher's link. */
      maxCallBytesPerPublisher: count.default(4_194_304),
      /** Longest time of a call, in seconds. The component shortens a longer time to this. */
      callSeconds: count.default(600),
      /** How long a request may await approval, in seconds. Then the component refuses the request. */
      pendingSeconds: count.default(3_600),
      /**
       * How long the component remembers that a publisher denied a request, in seconds. Then it forwards a new request
       * of the same account to the publisher.
       */
      denialSeconds: count.default(60),
      /** How long an approval stays that its account does not use, in seconds. 7,776,000: 90 days. */
      approvalSeconds: count.default(7_776_000),
      /**
       * Most rows that wait in one lane for its tick. Beyond, older updates of a `value` are conflated. Subscribers of
       * a log or a map receive the rows later, from the log or the map.
       */
      laneMaxRows: count.default(4_096),
      /** Most bytes of rows that wait in one lane for its tick. Beyond, the same applies as for `laneMaxRows`. */
      laneMaxBytes: count.default(1_048_576),
      /** Most updates that a service of kind `log` keeps. Beyond, the log drops its oldest updates. */
      logMaxRows: count.default(100_000),
      /** Most bytes of one log's updates, in memory or on the disk. Beyond, the log drops its oldest updates. */
      logMaxBytes: count.default(16_777_216),
      /**
       * Most bytes of memory of all logs. Beyond, the owner with most bytes drops the oldest updates of its largest
       * log.
       */
      maxLogBytes: count.default(1_073_741_824),
      /**
       * Most bytes of memory of the logs of one bare JID. For JIDs of other domains, `remotePercent` and `domainShare`
       * apply.
       */
      maxLogBytesPerJid: count.default(134_217_728),
      /** Most keys of a service of kind `map`. */
      mapMaxKeys: count.default(200_000),
      /**
       * Most bytes of one map, as they count: for each key 140, with its hash for checksums, two for each character,
       * and the msgpack of its value. In memory, a key takes about 400 beside its text and its value, and a map whose
       * keys change up to twice as much.
       */
      mapMaxBytes: count.default(67_108_864),
      /** Most bytes of all maps, as they count for `mapMaxBytes`. */
      maxMapBytes: count.default(1_073_741_824),
      /**
       * Most bytes of the maps of one bare JID, as they count for `mapMaxBytes`. `remotePercent` and `domainShare`
       * apply to JIDs of other domains.
       */
      maxMapBytesPerJid: count.default(134_217_728),
      /**
       * Most removals that a map keeps for subscribers that return. Removals also take at most a quarter of
       * `mapMaxBytes`. A subscriber that missed a removal which the map no longer keeps receives the whole map.
       */
      mapMaxRemovals: count.default(100_000),
      /** How long a map keeps a removal, in seconds. 604,800: a week. Named cursors that need it keep it longer. */
      mapRemovalSeconds: count.default(604_800),
      /**
       * How long a map keeps a removal for a named cursor that has not passed it, in seconds. 2,592,000: 30 days. So a
       * consumer that stays away, or takes nothing, keeps no removal for ever. `mapMaxRemovals` holds too.
       */
      mapCursorRemovalSeconds: count.default(2_592_000),
      /**
       * Time between two checksums of a map that has changed, in seconds. The component sends them, and subscribers
       * check their replicas that often. 0: the component sends a checksum only as an answer.
       */
      mapDigestSeconds: z.number().int().nonnegative().max(86_400).default(60),
      /**
       * How long the component keeps a withdrawn log, in seconds, for subscribers that have not received all of it.
       * They include subscribers whose link has ended. After this time the rest is lost.
       */
      withdrawnSeconds: count.default(60),
      /**
       * Most bytes of memory for reading all services that one link publishes. One service takes 1.7 MB at most
       * (5.9 MB for a map), and usually about 100 KB.
       */
      maxReaderBytesPerLink: count.default(134_217_728),
      /**
       * Most bytes of memory of the encoders of all lanes. Beyond, lanes of the account with most bytes send plain
       * rows, idle lanes first.
       */
      maxLaneBytes: count.default(536_870_912),
      /** How long a service in memory outlives its publisher's link, in seconds. */
      serviceGraceSeconds: count.default(600),
      /** How long a stored service outlives its publisher's link, in seconds. 2,592,000: 30 days. */
      storedServiceSeconds: count.default(2_592_000),
      /** How long a client can resume a link that has ended, in seconds. */
      resumeSeconds: count.default(600),
      /**
       * Most bytes of memory of all ended links that clients can resume. Beyond, the account with most bytes loses its
       * oldest link. One account has at most an eighth.
       */
      maxResumeBytes: count.default(134_217_728),
      /**
       * The component asks a client whether it is alive after the client has left data unacknowledged for this time, in
       * seconds.
       */
      unackedSeconds: count.default(30),
      /**
       * Replaces `unackedSeconds` where both HELLOs list lean stanzas and fewer than 50 stanzas with data are
       * unacknowledged. Such a client acknowledges only after 100 s.
       */
      lazyUnackedSeconds: count.default(130),
      /**
       * How long a client has to answer whether it is alive, in seconds. Only time in which the server answers counts.
       * Then the client's link ends.
       */
      answerSeconds: count.default(10),
      /** The component also asks a client whether it is alive after its link was silent for this time, in seconds. */
      silentSeconds: count.default(120),
    })
    .prefault({}),
  /**
   * Serves metrics for Prometheus, and pages for health checks, over HTTP: `/metrics`, `/health`, `/ready`. Without
   * this key, the component serves none of them. `metrics: {}` serves them to this machine.
   */
  metrics: z
    .strictObject({
      /** Address to listen at. The pages need no password, so the default serves this machine only. */
      host: z.string().min(1).default("127.0.0.1"),
      /** Port to listen at. 0: any free port; the log has its number. */
      port: z.number().int().min(0).max(65_535).default(9_464),
    })
    .optional(),
  /**
   * Follows some of the updates through the component, and sends their spans to a collector (OpenTelemetry). Without
   * this key, the component follows none. `tracing: {}` sends to a collector on this machine.
   */
  tracing: z
    .strictObject({
      /** Where the collector takes OTLP over HTTP. */
      endpoint: z.url({ protocol: /^https?$/ }).default("http://127.0.0.1:4318/v1/traces"),
      /** Part of the arriving frames with updates that are followed, in percent. */
      samplePercent: z.number().positive().max(100).default(1),
    })
    .optional(),
  /**
   * The dashboard, a web page for administrators, which `serve --dashboard` serves over HTTP. Its users log in with the
   * JID and the password of an account of `admins`, unless `jid` names the account.
   */
  dashboard: z
    .strictObject({
      /** Address to listen at. Any other than loopback needs `tokenFile`. */
      host: z.string().min(1).default("127.0.0.1"),
      /** Port to listen at. 0: any free port; the log has its number. */
      port: z.number().int().min(0).max(65_535).default(9_465),
      /**
       * File with a token of at least 16 characters, relative to the config file. A browser must give the token once,
       * as `/?token=…`. Behind a proxy it is needed at loopback too: without it the page has only the names of this
       * machine.
       */
      tokenFile: z.string().min(1).optional(),
      /** The XMPP server's WebSocket address, for browsers. Default: what the host-meta of the JID's domain says. */
      websocketUrl: z
        .url({ protocol: /^wss?$/, error: "give an address like wss://example.org/ws" })
        .optional(),
      /** The XMPP server's BOSH address, for browsers. It is tried after `websocketUrl`. Default: as there. */
      boshUrl: z
        .url({ protocol: /^https?$/, error: "give an address like https://example.org/http-bind" })
        .optional(),
      /**
       * Bare JID of an account of `admins`, with which the page logs in by itself. Every browser that gave the token
       * then reads the account's password, and sees what the account sees. So this key needs `tokenFile` and
       * `passwordFile`, and an account that is used for nothing else.
       */
      jid: account.optional(),
      /** File with the password of the account `jid`, relative to the config file. */
      passwordFile: z.string().min(1).optional(),
    })
    .refine(({ jid, passwordFile }) => (jid === undefined) === (passwordFile === undefined), {
      path: ["jid"],
      error: "`dashboard.jid` and `dashboard.passwordFile` need each other",
    })
    .refine(({ jid, tokenFile }) => jid === undefined || tokenFile !== undefined, {
      path: ["jid"],
      error: "`dashboard.jid` needs `dashboard.tokenFile`: whoever reads the page reads the password",
    })
    .prefault({}),
  log: z
    .strictObject({
      /** Least important level that the component logs to stderr, as JSON lines. `silent`: none. */
      level: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
    })
    .prefault({}),
});

export type ConfigFile = z.input<typeof configSchema>;
export type ComponentConfig = z.output<typeof configSchema>;
export type ComponentLimits = ComponentConfig["limits"];
