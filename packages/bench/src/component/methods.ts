import type { ComponentLimits, ComponentStats, ConfigFile } from "@stanzapack/component";

/** Where the simulated server listens, and what the component is to keep to. */
export interface ComponentStart {
  readonly domain: string;
  readonly secret: string;
  readonly port: number;
  readonly limits: ConfigFile["limits"];
}

/** What the component's process uses. */
export interface ComponentUse {
  /** Time on a processor of all its threads since its start, in µs. */
  readonly cpuUs: number;
  /** V8's heap in use, in bytes; after a garbage collection where one was asked for. */
  readonly heapBytes: number;
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
  readonly stats: ComponentStats;
}

/** What the component's process does when asked. */
export type ComponentMethods = {
  /** Resolves when the server took it; gives every limit, defaults too. */
  start(options: ComponentStart): Promise<ComponentLimits>;
  /** `collects`: collects garbage first. */
  use(options: { readonly collects: boolean }): Promise<ComponentUse>;
};

/** What the simulated clients have had since the start. */
export interface ClientCounts {
  readonly subscribers: number;
  /** Stanzas with data. */
  readonly dataStanzas: number;
  readonly acknowledgements: number;
  /** Stanzas that came out of order, for nobody, or that could not be read. */
  readonly faults: number;
}

/** `lean`: stanzas to the subscribers are lean where that fits; `ibb`: blocks of In-Band Bytestreams alone. */
export type Envelope = "lean" | "ibb";

/** What the server's process does when asked. */
export type ServerMethods = {
  /** Gives the port of its component listener, which takes any secret. */
  listen(options: { readonly domain: string }): Promise<number>;
  /** A publisher opens its link and offers one service; gives the node. */
  offer(request: null): Promise<string>;
  /** So many more subscribers open their links and subscribe, `resources` of each account. */
  join(options: {
    readonly count: number;
    readonly resources: number;
    readonly windowMs: number;
    readonly envelope: Envelope;
  }): Promise<void>;
  /** Publishes from now on; 0: nothing. */
  publish(options: { readonly perSecond: number }): void;
  counts(request: null): ClientCounts;
};
