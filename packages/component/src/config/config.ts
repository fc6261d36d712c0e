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
       * TLS from the first byte to the server's component port. `true` checks the certificate for `host`, with the
       * authorities of the system. An object has `caFile`, a PEM file of a further authority, or `serverName`, the name
       * that the certificate must have instead of `host`, or both.
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
       * Further domains of the operator, beside the one above the component's domain. JIDs of all other domains have
       * smaller budgets.
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
  /**
   * Where the component keeps services, logs, maps, cursors and approvals. `lmdb`: on its disk. `memory`: lost at a
   * restart. Default of a config file: `lmdb`. Default of a config made in code: `memory`, so that a library writes
   * nothing to the disk that nobody asked for.
   */
  store: storeSchema.optional(),
  /** Bare JIDs that may run `stanzapack purge`: they remove what the component keeps of any account. */
  admins: z.array(account).max(1_000).default([]),
  /**
   * `auto`: small blocks travel as lean stanzas, if the client lists lean stanzas and the server passes them on
   * unchanged. `ibb`: all blocks travel as In-Band Bytestreams.
   */
  envelope: z.enum(["auto", "ibb"]).default("auto"),
  limits: z
    .strictObject({
      /** Most links (In-Band Bytestreams) at once. */
      maxLinks: count.default(50_000),
      /** Most links opened a second, on average. Further opens are refused with a time to retry. */
      opensPerSecond: count.default(200),
      /** Most links opened at once after a pause. */
      opensBurst: count.default(400),
      /** Largest share of `opensPerSecond` and `opensBurst` of one bare JID, or of one other domain, in percent. */
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
       * several. Further requests are refused with a time to retry.
       */
      requestsPerSecond: count.default(100),
      /** Seconds of unused rate that a JID may use at once. */
      burstSeconds: count.default(10),
      /** A JID that is this many seconds of a rate beyond it is cut off: its links end, and everything is refused. */
      cutOffDebtSeconds: count.default(30),
      /** How long a JID is cut off, in seconds. */
      cutOffSeconds: count.default(60),
      /** Rates of one bare JID, as a multiple of those of a full JID. */
      bareJidShare: count.default(4),
      /**
       * Rates and counts of one other domain, as a multiple of those of one of its bare JIDs. Our own domain has no
       * bound.
       */
      domainShare: count.default(10),
      /** Rates and counts of a JID of another domain, in percent of those of a JID of our own. */
      remotePercent: count.default(25),
      /** Most links of one bare JID. */
      maxLinksPerJid: count.default(1_000),
      /** Most subscriptions of one bare JID. */
      maxSubscriptionsPerJid: count.default(40_000),
      /** Most lanes that one bare JID was the first to request, and still uses. */
      maxLanesPerJid: count.default(40_000),
      /** Most services that one bare JID may offer. */
      maxServicesPerOwner: count.default(1_000),
      /** Most services in all. */
      maxServices: count.default(100_000),
      /** Most subscriptions of one link. */
      maxSubscriptionsPerLink: count.default(10_000),
      /** Most requests by frame of one link without DONE. One more ends the link. */
      maxRequestsPerLink: count.default(16),
      /** Most patterns (`alice@example.org/t*`) that stand on one link. */
      maxPatternsPerLink: count.default(100),
      /**
       * Most different selections (of fields, a rate, a deadband, and so on) of one service. Whole values are always
       * available.
       */
      maxSelectionsPerService: count.default(32),
      /** Most of these selections that one account was the first to request. So one account cannot use them all up. */
      maxSelectionsPerAccount: count.default(8),
      /** Most members of one whitelist, and most JIDs that the publisher of one service approves. */
      maxMembers: count.default(10_000),
      /** Most named cursors of one bare JID. */
      maxCursorsPerJid: count.default(1_000),
      /** Most named cursors of one service. */
      maxCursorsPerService: count.default(1_000),
      /** Most named cursors in all. */
      maxCursors: count.default(100_000),
      /** How long a named cursor stays that nobody uses, in seconds. 2,592,000: 30 days. */
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
      /** Most calls to all services of one publisher's link that wait for their results. */
      maxCallsPerPublisher: count.default(1_024),
      /** Most bytes of the arguments of these calls. */
      maxCallBytesPerPublisher: count.default(4_194_304),
      /** Longest time of a call, in seconds. A call with a longer time has this time. */
      callSeconds: count.default(600),
      /** How long a request awaits approval, in seconds. Then it is refused. */
      pendingSeconds: count.default(3_600),
      /**
       * How long the component remembers a publisher's no, in seconds. It forwards a later request to the publisher
       * again.
       */
      denialSeconds: count.default(60),
      /**
       * How long a publisher's yes to an account stays while the account does not use it, in seconds. 7,776,000: 90
       * days.
       */
      grantSeconds: count.default(7_776_000),
      /** Most rows that wait in one lane for its tick. Older rows are conflated. */
      laneMaxRows: count.default(4_096),
      /** Most bytes that wait in one lane for its tick. */
      laneMaxBytes: count.default(1_048_576),
      /** Most updates that a service of kind `log` keeps. Then the log drops the oldest. */
      logMaxRows: count.default(100_000),
      /** Most bytes of one log's updates, in memory or on the disk. */
      logMaxBytes: count.default(16_777_216),
      /**
       * Most bytes of memory of all logs. Beyond, the largest log of the owner with most bytes drops its oldest
       * updates.
       */
      maxLogBytes: count.default(1_073_741_824),
      /**
       * Most bytes of memory of the logs of one bare JID. `remotePercent` and `domainShare` apply to JIDs of other
       * domains.
       */
      maxLogBytesPerJid: count.default(134_217_728),
      /** Most keys of a service of kind `map`. */
      mapMaxKeys: count.default(200_000),
      /** Most bytes of memory of one map: its keys, its values, and 80 bytes for each. */
      mapMaxBytes: count.default(67_108_864),
      /** Most bytes of memory of all maps. */
      maxMapBytes: count.default(1_073_741_824),
      /**
       * Most bytes of memory of the maps of one bare JID. `remotePercent` and `domainShare` apply to JIDs of other
       * domains.
       */
      maxMapBytesPerJid: count.default(134_217_728),
      /**
       * Most removals that a map keeps for subscribers who come back. They also take at most a quarter of `mapMaxBytes`.
       * A subscriber from before the removals that are kept receives the whole map.
       */
      mapMaxRemovals: count.default(100_000),
      /** How long a map keeps a removal, in seconds. 604,800: a week. */
      mapRemovalSeconds: count.default(604_800),
      /**
       * The component sends subscribers a checksum of a map this often, in seconds, if the map has changed. A subscriber
       * also checks its copy this often. 0: the component sends a checksum only as an answer.
       */
      mapDigestSeconds: z.number().int().nonnegative().max(86_400).default(60),
      /**
       * How long the component keeps a withdrawn log, in seconds, for subscribers that have not received all of it.
       * That includes subscribers whose link has ended. After this time the rest counts as lost.
       */
      withdrawnSeconds: count.default(60),
      /**
       * Most bytes of memory of the readers of all services that one link publishes. A reader takes 1.7 MB at most, and
       * usually about 100 KB.
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
      /** How long a client can resume a link that ended, in seconds. */
      resumeSeconds: count.default(600),
      /**
       * Most bytes of memory of all links that can be resumed. Beyond, the account with most bytes loses its oldest
       * link. One account has at most an eighth.
       */
      maxResumeBytes: count.default(134_217_728),
      /** The component asks whether a client is alive after data was unacknowledged for this time, in seconds. */
      unackedSeconds: count.default(30),
      /**
       * The same where both sides list lean stanzas, and fewer than 50 stanzas with data are unacknowledged. The client
       * then acknowledges after 100 s.
       */
      lazyUnackedSeconds: count.default(130),
      /**
       * How long a client has to answer that question, in seconds, while the server answers too. Then its link ends.
       */
      answerSeconds: count.default(10),
      /** The component asks too after a link was silent for this time, in seconds. */
      silentSeconds: count.default(120),
    })
    .prefault({}),
  /**
   * Serves metrics for Prometheus, and pages for health checks, over HTTP: `/metrics`, `/health`, `/ready`. Default:
   * not at all. `metrics: {}` serves them to this machine.
   */
  metrics: z
    .strictObject({
      /** Address to listen at. The default is this machine. The pages need no password. */
      host: z.string().min(1).default("127.0.0.1"),
      /** 0: any free port, which the log names. */
      port: z.number().int().min(0).max(65_535).default(9_464),
    })
    .optional(),
  log: z
    .strictObject({
      /** How much is logged to stderr, as JSON lines. */
      level: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
    })
    .prefault({}),
});

export type ConfigFile = z.input<typeof configSchema>;
export type ComponentConfig = z.output<typeof configSchema>;
export type ComponentLimits = ComponentConfig["limits"];
