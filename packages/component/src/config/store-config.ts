import { z } from "zod";

const count = z.number().int().positive();
const path = z.string().min(1);

const memory = z.strictObject({ kind: z.literal("memory") });

const lmdb = {
  /**
   * `lmdb`: on the disk. `memory`: a restart loses everything, and the other keys of `store` are refused. A config made
   * in code has the default `memory`, so that a library writes nothing to the disk unasked.
   */
  kind: z.literal("lmdb"),
  /** Longest time until updates with durability `interval` are on the disk, in ms. */
  intervalMs: count.max(60_000).default(1_000),
  /**
   * Most bytes of all logs on the disk. Beyond, the owner with most bytes drops the oldest updates of its largest log.
   */
  maxBytes: count.default(10_737_418_240),
  /**
   * Most bytes of the logs of one bare JID on the disk. For JIDs of other domains, `remotePercent` and `domainShare`
   * apply.
   */
  maxBytesPerJid: count.default(1_073_741_824),
  /** Longest time that a log keeps an update, in seconds. 2,592,000: 30 days. */
  maxAgeSeconds: count.default(2_592_000),
};

/** The key `store` of a config file. */
export const storeSchema = z.discriminatedUnion("kind", [
  memory,
  z.strictObject({
    ...lmdb,
    /**
     * Directory of the store, relative to the config file. The component creates a missing directory. Default: the
     * first directory of the variable STATE_DIRECTORY, which systemd sets; else `stanzapack-data` beside the config
     * file.
     */
    path: path.optional(),
  }),
]);

/** The key `store` of a config for `createComponent`, where the directory is known. */
export const resolvedStoreSchema = z.discriminatedUnion("kind", [
  memory,
  z.strictObject({
    ...lmdb,
    path: z.string({ error: "name the directory of the store; only `loadConfig` has a default" }).min(1),
  }),
]);

export type StoreConfig = z.output<typeof storeSchema>;
export type ResolvedStore = z.output<typeof resolvedStoreSchema>;
