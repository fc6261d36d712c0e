import type { ComponentLimits, ComponentStats, ConfigFile } from "@stanzapack/component";

/** Port of the simulated server, and the component's limits. */
export interface ComponentStart {
  readonly domain: string;
  readonly secret: string;
  readonly port: number;
  readonly limits: ConfigFile["limits"];
}

/** Resources that the component's process uses. */
export interface ComponentUse {
  /** Processor time of all its threads since the start, in µs. */
  readonly cpuUs: number;
  /** V8's heap in use, in bytes. If a garbage collection was asked for, after it. */
  readonly heapBytes: number;
  /** Resident memory, in bytes. */
  readonly rssBytes: number;
  readonly stats: ComponentStats;
}

/** Requests that the component's process answers. */
export type ComponentMethods = {
  /** Resolves when the server has accepted the component. Returns every limit, with defaults. */
  start(options: ComponentStart): Promise<ComponentLimits>;
  /** `collects`: runs a garbage collection first. */
  use(options: { readonly collects: boolean }): Promise<ComponentUse>;
};

/** What the simulated clients have received since the start. */
export interface ClientCounts {
  readonly subscribers: number;
  /** Number of stanzas with data. */
  readonly dataStanzas: number;
  readonly acknowledgements: number;
  /** Number of stanzas that arrived out of order, had no client, or could not be read. */
  readonly faults: number;
}

/** `lean`: stanzas to the subscribers are lean if the block fits. `ibb`: only In-Band Bytestreams. */
export type Envelope = "lean" | "ibb";

/** Requests that the server's process answers. */
export type ServerMethods = {
  /** Returns the port of its listener for components, which accepts any secret. */
  listen(options: { readonly domain: string }): Promise<number>;
  /** A publisher opens its link and offers one service. Returns the node. */
  offer(request: null): Promise<string>;
  /** `count` more subscribers open their links and subscribe, `resources` of each account. */
  join(options: {
    readonly count: number;
    readonly resources: number;
    readonly windowMs: number;
    readonly envelope: Envelope;
  }): Promise<void>;
  /** Publishes at this rate from now on. 0: publishes nothing. */
  publish(options: { readonly perSecond: number }): void;
  counts(request: null): ClientCounts;
};
