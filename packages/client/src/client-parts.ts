import { createRowCodec, DEFAULT_LIMITS } from "@stanzapack/wire";
import {
  createClientConnection,
  createStanzaBytestreams,
  type Connection,
  type InBandBytestreams,
} from "@stanzapack/xmpp";
import type { CommandHost } from "./commands/command-host.js";
import { Commanding } from "./commands/commanding.js";
import { Negotiation } from "./negotiation/negotiation.js";
import type { ResolvedConnectOptions } from "./options/connect-options.js";
import { Approvals } from "./publish/approvals.js";
import type { OfferedService } from "./publish/offered-service.js";
import { Publishing } from "./publish/publishing.js";
import { ClientState } from "./session/client-state.js";
import { Groups } from "./session/groups.js";
import { LinkKeeper, type LinkKeeperEvents } from "./session/link-keeper.js";
import { NodeChoice } from "./session/node-choice.js";
import { Offering } from "./session/offering.js";
import { Subscribing } from "./session/subscribing.js";
import type { SharedSubscription } from "./subscribe/shared-subscription.js";

/** The parts of a client, connected with each other. */
export interface ClientParts {
  readonly connection: Connection;
  readonly streams: InBandBytestreams;
  readonly nodes: NodeChoice;
  readonly negotiation: Negotiation;
  readonly keeper: LinkKeeper;
  readonly publishing: Publishing;
  readonly approvals: Approvals;
  readonly state: ClientState;
  readonly groups: Groups;
  readonly subscribing: Subscribing;
  readonly offering: Offering;
  readonly commanding: Commanding;
  /** Services that the client offers, by node. */
  readonly services: ReadonlyMap<string, OfferedService>;
  /** Subscriptions of the client, by node. */
  readonly subscriptions: ReadonlyMap<string, SharedSubscription>;
}

/** The calls that the parts make to their client. */
export interface ClientHost extends Pick<
  LinkKeeperEvents,
  "onDown" | "onRestored" | "onEnvelope" | "onBlock"
> {
  /** Throws `stopped` once the client is closed. */
  assertOpen(): void;
}

/** Makes the parts of a client. Nothing connects yet. `signal` ends them. */
export function createClientParts(
  options: ResolvedConnectOptions,
  host: ClientHost,
  signal: AbortSignal,
): ClientParts {
  const { timeoutMs, envelope, bareJid, inactive } = options;
  const nodes = new NodeChoice(options.components);
  const codec = createRowCodec(DEFAULT_LIMITS);
  const services = new Map<string, OfferedService>();
  const subscriptions = new Map<string, SharedSubscription>();
  const connection = createClientConnection(options.connection);
  const streams = createStanzaBytestreams(connection);
  // A stanza to the component was returned, and its block is unknown.
  streams.onError = () => void keeper.link?.ask();
  const negotiation = new Negotiation(connection, nodes, timeoutMs, signal);
  const publishing = new Publishing(() => keeper.link);
  const keeper: LinkKeeper = new LinkKeeper(
    connection,
    streams,
    negotiation,
    {
      services,
      subscriptions,
      patterns: {
        linkEnded: () => groups.linkEnded(),
        adopt: (node) => groups.adopt(node),
        creditOf: (node) => groups.creditOf(node),
        adopted: (subscription) => groups.adopted(subscription),
        refused: (request, error) => groups.refused(request, error),
        restore: (router) => groups.restore(router),
      },
      unwanted: (node) => keeper.held.services.giveUp(node),
      delayed: (service, error) => keeper.held.services.delay(service, error),
    },
    codec,
    { nodes, timeoutMs, envelope },
    {
      onDown: (reason) => host.onDown(reason),
      onRestored: () => {
        state.onRestored();
        host.onRestored();
      },
      onAcknowledged: (stanzas) => {
        for (const service of services.values()) service.acknowledged(stanzas);
      },
      onCredit: () => publishing.release(),
      onEnvelope: (kind) => host.onEnvelope(kind),
      onBlock: (chars, frames) => host.onBlock(chars, frames),
    },
    signal,
  );
  const approvals = new Approvals(
    connection,
    nodes,
    services,
    () => keeper.link !== undefined,
    (node, error) => void keeper.held.decided(node, error),
  );
  const state = new ClientState(connection, keeper.held, keeper, subscriptions, services, inactive);
  const subscribing = new Subscribing(subscriptions, keeper, state);
  const groups = new Groups(subscriptions, state, keeper, (node, asked) => subscribing.share(node, asked));
  const offering = new Offering(services, bareJid, codec, keeper, publishing, state, approvals, () =>
    host.assertOpen(),
  );
  const commandHost: CommandHost = {
    target: (node) => {
      const subscription = subscriptions.get(node);
      return subscription?.ended === false ? subscription : undefined;
    },
    watch: (watcher) => {
      subscribing.watchers.add(watcher);
      return () => subscribing.watchers.delete(watcher);
    },
  };
  const commanding = new Commanding(bareJid, commandHost, () => host.assertOpen());
  return {
    ...{ connection, streams, nodes, negotiation, keeper, publishing, approvals, state },
    ...{ groups, subscribing, offering, commanding, services, subscriptions },
  };
}
