export { openOutboxStore, type LevelOutboxStore, type OutboxStoreOptions } from "./level-store.js";
export type { OutboxEntry, OutboxStore, StoredOutbox } from "./outbox-store.js";
export type { CommandBatch, CommandStore, StoredCommand, StoredCommands } from "./command-store.js";
