export { Client, connect } from "./client.js";
export type { BlockObserver, ClientEvents } from "./client-events.js";
export type { ConnectOptions, InactivePolicy } from "./options/connect-options.js";
export type { EnvelopeKind } from "./link/link-envelope.js";
export type { Authorize, AuthorizeRequest } from "./options/offer-options.js";
export type { CursorInfo, Held, ServiceInfo } from "./negotiation/negotiation.js";
export type { AccessModel, ConfigureOptions, OfferOptions } from "./options/offer-options.js";
export type { OutboxEntry, OutboxStore, StoredOutbox } from "./store/outbox-store.js";
export type { CommandBatch, CommandStore, StoredCommand, StoredCommands } from "./store/command-store.js";
export type { CommandEvents, Commands } from "./commands/commands.js";
export type { CommandView, CommandViewEvents } from "./commands/command-view.js";
export type { ExpectedMap, LayeredMap } from "./commands/layered-map.js";
export type { Command } from "./commands/queued-command.js";
export type { CommandOptions, CommandsOptions } from "./options/command-options.js";
export { OfferedService } from "./publish/offered-service.js";
export { OfferedMap } from "./publish/offered-map.js";
export type { Verification } from "./subscribe/map-check.js";
export type { VerifyOptions } from "./options/verify-options.js";
export type { MapChangeEvent, SyncingEvent } from "./subscribe/map-replica.js";
export type { CallContext, CallFailure, CallHandler } from "./publish/call-handlers.js";
export type { CallOptions } from "./options/call-options.js";
export type { Demand, OfferedServiceEvents } from "./publish/service-events.js";
export type { Sendable } from "./base/sendable.js";
export { Subscription } from "./subscribe/subscription.js";
export type {
  Away,
  RangeEvent,
  StatusEvent,
  SubscriptionEvents,
  SubscriptionStatus,
  Update,
} from "./subscribe/subscription-events.js";
export type {
  ChangeOptions,
  KeyOptions,
  SelectionOptions,
  SubscribeOptions,
} from "./options/subscribe-options.js";
export {
  SubscriptionGroup,
  type GroupUpdate,
  type SubscriptionGroupEvents,
} from "./subscribe/subscription-group.js";
export {
  StanzapackError,
  type ErrorCode,
  type Selection,
  type ServiceKind,
  type Value,
} from "@stanzapack/wire";
