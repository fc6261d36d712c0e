import { z } from "zod";

const count = z.number().int().positive();
const path = z.string().min(1);

const memory = z.strictObject({ kind: z.literal("memory") });

const lmdb = {
  /**
   * `lmdb`: services, logs, maps, cursors and approvals are on the disk. `memory`: a restart loses them, and the keys
   * below are refused. Default of a config file: `lmdb`. Default of a config made in code: `memory`.
   */
  kind: z.literal("lmdb"),
  /** The component writes updates with durability `interval` to the disk within this time, in ms. */
  intervalMs: count.max(60_000).default(1_000),
  /**
   * Most bytes of all logs on the disk. Beyond, the largest log of the owner with most bytes drops its oldest
   * updates.
   */
  maxBytes: count.default(10_737_418_240),
  /**
   * Most bytes of the logs of one bare JID on the disk. `remotePercent` and `domainShare` apply to JIDs of other
   * domains.
   */
  maxBytesPerJid: count.default(1_073_741_824),
  /** The component drops updates of a log that are older than this, in seconds. 2,592,000: 30 days. */
  maxAgeSeconds: count.default(2_592_000),
};

/** The key `store` of a config file. */
export const storeSchema = z.discriminatedUnion("kind", [
  memory,
  z.strictObject({
    ...lmdb,
    /**
     * Directory of the store, relative to the config file. The component makes it if it is missing. Default: the first
     * directory of the variable STATE_DIRECTORY, which systemd sets; else `stanzapack-data` beside the config file.
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
