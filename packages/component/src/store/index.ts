// The component's store alone, for tests and benchmarks of this repository. It may change with each version.
export { DEFAULT_EXPIRY, type StoreDamage } from "./base/store-options.js";
export { openLmdbStore } from "./disk/lmdb-store.js";
export { openRedisStore } from "./redis/redis-store.js";
export { MemoryStore, type MemoryStoreOptions } from "./memory/memory-store.js";
export type { DiskStoreOptions } from "./disk/disk-store.js";
export { JournalMemory } from "./base/journal-memory.js";
export type * from "./store.js";
