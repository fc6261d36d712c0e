// The component's store alone, for tests and benchmarks of this repository. It may change with each version.
export { openLmdbStore, DEFAULT_EXPIRY } from "./disk/lmdb-store.js";
export { MemoryStore, type MemoryStoreOptions } from "./memory/memory-store.js";
export type { DiskStoreOptions, StoreDamage } from "./disk/disk-store.js";
export { JournalMemory } from "./base/journal-memory.js";
export type * from "./store.js";
