export { Client, connect, type BlockObserver, type ClientEvents } from "./client.js";
export type { ConnectOptions, InactivePolicy } from "./options.js";
export type { EnvelopeKind } from "./link-envelope.js";
export type { Authorize, AuthorizeRequest } from "./approvals.js";
export type { AccessModel, ConfigureOptions, OfferOptions, ServiceInfo } from "./negotiation.js";
export type { OutboxEntry, OutboxStore, StoredOutbox } from "./outbox-store.js";
export { OfferedService, type Demand, type OfferedServiceEvents } from "./offered-service.js";
export type { Sendable } from "./sendable.js";
export {
  Subscription,
  type ChangeOptions,
  type RangeEvent,
  type SelectionOptions,
  type StatusEvent,
  type SubscribeOptions,
  type SubscriptionEvents,
  type SubscriptionStatus,
  type Update,
} from "./subscription.js";
export { SubscriptionGroup, type GroupUpdate, type SubscriptionGroupEvents } from "./subscription-group.js";
export { StanzapackError, type ErrorCode, type Selection, type Value } from "@stanzapack/wire";
