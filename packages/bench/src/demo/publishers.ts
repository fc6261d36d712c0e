import { connect, type Client, type OfferedService, type Value } from "@stanzapack/client";
import { DEMO_SERVICES, type DemoService } from "./services.js";
import { createSources, type DemoSource } from "./sources.js";

export interface Account {
  readonly jid: string;
  readonly password: string;
}

/** How to connect to the server. */
export interface Road {
  readonly url: string;
  /** PEM of the authority to trust. */
  readonly ca: string;
  readonly compress: boolean;
}

export interface PublishersOptions {
  readonly account: Account;
  /** Domain of the Stanzapack component. */
  readonly component: string;
  readonly road: Road;
  /** Called right after each value was published. `sequence` counts from 1 within the service. */
  readonly onPublished?: (service: DemoService, sequence: number, value: Value) => void;
  /** Called when a service has no subscribers any more. */
  readonly onSilent?: (service: DemoService) => void;
}

export interface Publishers {
  readonly nodes: string[];
  /** Withdraws the services and logs out. Idempotent. */
  stop(): Promise<void>;
}

/** Offers the demo's services under one account. A source runs only while its service has subscribers. */
export async function publishDemo(options: PublishersOptions): Promise<Publishers> {
  const { account, component, road } = options;
  const sources = createSources();
  const client = await connect({ ...account, component, ...road });
  const stops: (() => void)[] = [];
  const stop = async (): Promise<void> => {
    for (const stopSource of stops.splice(0)) stopSource();
    await client.close();
  };
  try {
    const nodes: string[] = [];
    for (const service of DEMO_SERVICES) {
      const offered = await offer(client, service);
      stops.push(speakOnDemand(offered, sources[service.name], service, options));
      nodes.push(offered.node);
    }
    return { nodes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function offer(client: Client, service: DemoService): Promise<OfferedService> {
  return client.offer(service.name, { kind: "value", access: "open", title: service.title });
}

function speakOnDemand(
  offered: OfferedService,
  source: DemoSource,
  service: DemoService,
  options: PublishersOptions,
): () => void {
  let stopSource: (() => void) | undefined;
  const follow = (): void => {
    const wanted = offered.demand.windowMs !== null;
    if (wanted) {
      stopSource ??= source.start((value) => {
        offered.publish(value);
        options.onPublished?.(service, offered.published, value);
      });
    } else if (stopSource !== undefined) {
      stopSource();
      stopSource = undefined;
      options.onSilent?.(service);
    }
  };
  offered.on("demand", follow);
  follow();
  return () => {
    offered.off("demand", follow);
    stopSource?.();
  };
}

/** For `stanzapack sandbox --demo`: offers the demo's services from the last of the accounts. */
export async function startDemoPublishers(options: {
  readonly accounts: readonly Account[];
  readonly component: string;
  readonly url: string;
  readonly ca: string;
}): Promise<Publishers> {
  const { accounts, component, url, ca } = options;
  const account = accounts[accounts.length - 1];
  if (account === undefined) throw new TypeError("the demo's publishers need an account");
  return publishDemo({ account, component, road: { url, ca, compress: false } });
}
