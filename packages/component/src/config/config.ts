import { prepareDomainName } from "@stanzapack/xmpp";
import { z } from "zod";

const port = z.number().int().min(1).max(65_535);
const count = z.number().int().positive();
/** In the form of JIDs, with its own letters (U-labels). */
const domain = z.string().transform((text, context) => {
  try {
    return prepareDomainName(text);
  } catch (error) {
    context.addIssue({ code: "custom", message: (error as Error).message });
    return z.NEVER;
  }
});

/** The config file's shape (YAML). Every limit has a default; unknown keys are refused, since they are misspelt ones. */
export const configSchema = z.strictObject({
  component: z
    .strictObject({
      /** The component's domain, as the server's configuration names it. */
      domain,
      host: z.string().min(1).default("127.0.0.1"),
      port: port.default(5347),
      /**
       * TLS from the first byte to the server's component port; `true` checks the certificate against the system's authorities, for `host`.
       */
      tls: z
        .union(
          [
            z.boolean(),
            z.strictObject({
              /** PEM of the authority to trust besides; relative to the config file. */
              caFile: z.string().min(1).optional(),
              /** The name that the certificate must be for. */
              serverName: z.string().min(1).optional(),
            }),
          ],
          { error: "give true, false, or an object with caFile and serverName, both optional" },
        )
        .default(false),
      /** Domains of ours beside the one that the component's is under; JIDs of others have smaller budgets. */
      localDomains: z.array(domain).default([]),
      /** File that holds the shared secret; relative to the config file. */
      secretFile: z.string().min(1).optional(),
      /** The secret itself: handy for trying out, `secretFile` keeps it out of the config. */
      secret: z.string().min(1).optional(),
    })
    .refine((c) => (c.secret === undefined) !== (c.secretFile === undefined), {
      message: "give either secretFile or secret",
    }),
  /** Where journals live. `memory`: nothing survives a restart. */
  store: z.literal("memory").default("memory"),
  /**
   * `auto`: small blocks travel as lean stanzas, where the client lists them and the server passes them on unchanged. `ibb`: In-Band
   * Bytestreams alone.
   */
  envelope: z.enum(["auto", "ibb"]).default("auto"),
  limits: z
    .strictObject({
      /** Most links (In-Band Bytestreams) at once. */
      maxLinks: count.default(50_000),
      /** Most links opened a second, in the long run; others are told when to come again. */
      opensPerSecond: count.default(200),
      /** And so many at once after a pause. */
      opensBurst: count.default(400),
      /** Most of both that one bare JID, or one other domain, has, in parts of 100. */
      opensSharePercent: count.max(100).default(25),
      /** Most updates a second that one full JID publishes, in the long run: more are slowed down. */
      updatesPerSecond: count.default(5_000),
      /** And most bytes, blocks before base64 and 256 for each stanza. */
      publishedBytesPerSecond: count.default(1_048_576),
      /** Most requests a second of one full JID, in the long run: negotiation, discovery, opens; a heavy one counts as several. Others are told when to come again. */
      requestsPerSecond: count.default(100),
      /** What was not used of these rates lasts for so many seconds of them at once. */
      burstSeconds: count.default(10),
      /** Who is so many seconds of a rate beyond it is cut off: links end, everything is refused. */
      cutOffDebtSeconds: count.default(30),
      /** For so many seconds. */
      cutOffSeconds: count.default(60),
      /** One bare JID may use so many times these rates. */
      bareJidShare: count.default(4),
      /** And one other domain so many times what its bare JIDs may, counts below as well; our own has no bound. */
      domainShare: count.default(10),
      /** JIDs of other domains have so many parts of 100 of their budgets, counts as well. */
      remotePercent: count.default(25),
      /** Most links of one bare JID. */
      maxLinksPerJid: count.default(1_000),
      /** Most subscriptions of one bare JID. */
      maxSubscriptionsPerJid: count.default(40_000),
      /** Most lanes that one bare JID was the first to want, and still takes. */
      maxLanesPerJid: count.default(40_000),
      /** Most services that one bare JID may offer. */
      maxServicesPerOwner: count.default(1_000),
      /** Most services in all. */
      maxServices: count.default(100_000),
      /** Most subscriptions of one link. */
      maxSubscriptionsPerLink: count.default(10_000),
      /** Most requests by frame of one link that are not done; one more ends the link. */
      maxRequestsPerLink: count.default(16),
      /** Most patterns (`alice@example.org/t*`) that stand on one link. */
      maxPatternsPerLink: count.default(100),
      /** Most different selections (of fields, a rate, a deadband, …) in which one service is taken; whole values are always to be had. */
      maxSelectionsPerService: count.default(32),
      /** … and that one account was the first to ask for: it must not use them all up. */
      maxSelectionsPerAccount: count.default(8),
      /** Most members of one whitelist, and most JIDs that the publisher of one service approves. */
      maxMembers: count.default(10_000),
      /** Most requests of one bare JID that await publishers' approval. */
      maxPendingPerAsker: count.default(20),
      /** Most requests that await one publisher's approval. */
      maxPendingPerOwner: count.default(100),
      /** And most in all. */
      maxPending: count.default(10_000),
      /** How long a request awaits approval, in seconds; then it is refused. */
      pendingSeconds: count.default(3_600),
      /** How long a publisher's no is remembered, in seconds; who asks again later has the publisher asked again. */
      denialSeconds: count.default(60),
      /** Most rows that wait in one lane for its tick; older ones are conflated. */
      laneMaxRows: count.default(4_096),
      /** Most bytes that wait in one lane for its tick. */
      laneMaxBytes: count.default(1_048_576),
      /** Most updates that a service of kind `log` keeps; then the oldest are dropped. */
      logMaxRows: count.default(100_000),
      /** Most bytes of memory that they take, for one service. */
      logMaxBytes: count.default(16_777_216),
      /** Most bytes of memory that all logs take together; then whose logs take most drops the oldest. */
      maxLogBytes: count.default(1_073_741_824),
      /** And those that one bare JID offers. */
      maxLogBytesPerJid: count.default(134_217_728),
      /** How long a withdrawn log is kept, in seconds, for subscribers who have not got all of it, also those whose link is gone meanwhile; then the rest is told as lost. */
      withdrawnSeconds: count.default(60),
      /** Most bytes of memory that reading what one link publishes takes, all its services together: 1.7 MB each at most, some 100 KB usually. */
      maxReaderBytesPerLink: count.default(134_217_728),
      /** Most bytes of memory that the lanes' coding takes, all together; then those of the account that has most send plain rows, idle ones first. */
      maxLaneBytes: count.default(536_870_912),
      /** How long a service outlives its publisher's link, in seconds. */
      serviceGraceSeconds: count.default(600),
      /** How long a link that ended can be resumed, in seconds. */
      resumeSeconds: count.default(600),
      /** Most bytes of memory that what can be resumed takes, all together; then the account that has most forgets its oldest. One account has an eighth of it. */
      maxResumeBytes: count.default(134_217_728),
      /** Data unacknowledged for so long makes the component ask whether the client lives, in seconds. */
      unackedSeconds: count.default(30),
      /** The same where the client acknowledges at leisure, since both sides list lean stanzas, and has not had enough to do so sooner. */
      lazyUnackedSeconds: count.default(130),
      /** A client that is asked has so long to answer, in seconds, while the server answers too; then its link ends. */
      answerSeconds: count.default(10),
      /** A link of which nothing came for so long makes it ask too, in seconds. */
      silentSeconds: count.default(120),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z.enum(["trace", "debug", "info", "warn", "error", "silent"]).default("info"),
    })
    .prefault({}),
});

export type ConfigFile = z.input<typeof configSchema>;
export type ComponentConfig = z.output<typeof configSchema>;
export type ComponentLimits = ComponentConfig["limits"];
