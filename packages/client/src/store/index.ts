export { openOutboxStore, type LevelOutboxStore, type OutboxStoreOptions } from "./level-store.js";
export type { OutboxEntry, OutboxStore, StoredOutbox } from "./outbox-store.js";
