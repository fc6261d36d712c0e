import { z } from "zod";

const count = z.number().int().positive();
const port = z.number().int().min(1).max(65_535);
const path = z.string().min(1);

const memory = z.strictObject({ kind: z.literal("memory") });

/** Bounds of stored logs. */
const bounds = {
  /**
   * Most bytes of all logs in the store. Beyond, the owner with most bytes drops the oldest updates of its largest log.
   */
  maxBytes: count.default(10_737_418_240),
  /**
   * Most bytes of the logs of one bare JID in the store. For JIDs of other domains, `remotePercent` and `domainShare`
   * apply.
   */
  maxBytesPerJid: count.default(1_073_741_824),
  /** Longest time that a log keeps an update, in seconds. 2,592,000: 30 days. */
  maxAgeSeconds: count.default(2_592_000),
};

const lmdb = {
  /**
   * `lmdb`: on the disk. `redis`: in Redis 7.0 or later, or Valkey. `memory`: a restart loses everything, and the other
   * keys of `store` are refused. A config made in code has the default `memory`, so that a library writes nothing to the
   * disk unasked.
   */
  kind: z.literal("lmdb"),
  /** Longest time until updates with durability `interval` are on the disk, in ms. Only for `lmdb`. */
  intervalMs: count.max(60_000).default(1_000),
  ...bounds,
};

const sentinel = z.string().regex(/^\[?[^[\]]+\]?:\d{1,5}$/, "give host:port, such as 10.0.0.1:26379");

const redis = {
  kind: z.literal("redis"),
  /** Host of Redis. Only for `redis`, as all keys that follow. */
  host: z.string().min(1).default("127.0.0.1"),
  /** Port of Redis. */
  port: port.default(6_379),
  /** Name of the user in Redis (ACL). Default: the default user. */
  username: z.string().min(1).optional(),
  /** Begins the names of all keys in Redis. Each component needs a prefix of its own. */
  prefix: z.string().min(1).max(200).default("stanzapack:"),
  /**
   * Replicas of Redis that must have an update with durability `sync` before the component confirms it (`WAIT`). 0:
   * the disk of the primary is enough.
   */
  replicas: z.number().int().nonnegative().max(10).default(0),
  /** Name of the primary, as the sentinels know it. Required with sentinels. */
  master: z.string().min(1).optional(),
  ...bounds,
};

const needsMaster = {
  check: ({ sentinels, master }: { sentinels: readonly unknown[]; master?: string | undefined }): boolean =>
    sentinels.length > 0 === (master !== undefined),
  error: { message: "give both `sentinels` and `master`, or neither" },
};

/** The key `store` of a config file. */
export const storeSchema = z.discriminatedUnion("kind", [
  memory,
  z.strictObject({
    ...lmdb,
    /**
     * Directory of the store, relative to the config file. The component creates a missing directory. Default: the
     * first directory of the variable STATE_DIRECTORY, which systemd sets; else `stanzapack-data` beside the config
     * file. Only for `lmdb`.
     */
    path: path.optional(),
  }),
  z
    .strictObject({
      ...redis,
      /** File that holds the password of Redis, relative to the config file. */
      passwordFile: path.optional(),
      /**
       * `true`: TLS to Redis and to its sentinels. An object has one or both of `caFile`, a PEM file of a further
       * authority, and `serverName`, the name that the certificate must have instead of `host`.
       */
      tls: z
        .union(
          [
            z.boolean(),
            z.strictObject({ caFile: path.optional(), serverName: z.string().min(1).optional() }),
          ],
          { error: "give true, false, or an object with caFile and serverName, both optional" },
        )
        .default(false),
      /**
       * Sentinels, each as `host:port`, which tell the address of the primary. `host` and `port` do not count then.
       * Default: none.
       */
      sentinels: z.array(sentinel).max(20).default([]),
    })
    .refine(needsMaster.check, needsMaster.error),
]);

/** The key `store` of a config for `createComponent`, where the directory is known, and the password. */
export const resolvedStoreSchema = z.discriminatedUnion("kind", [
  memory,
  z.strictObject({
    ...lmdb,
    path: z.string({ error: "name the directory of the store; only `loadConfig` has a default" }).min(1),
  }),
  z
    .strictObject({
      ...redis,
      password: z.string().min(1).optional(),
      tls: z
        .union([
          z.boolean(),
          z.strictObject({ ca: z.string().min(1).optional(), serverName: z.string().min(1).optional() }),
        ])
        .default(false),
      sentinels: z.array(sentinel).max(20).default([]),
    })
    .refine(needsMaster.check, needsMaster.error),
]);

export type StoreConfig = z.output<typeof storeSchema>;
/** A store of which everything is known. */
export type ResolvedStore = z.output<typeof resolvedStoreSchema>;
