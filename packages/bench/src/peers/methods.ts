import type { ComponentLimits, ComponentStats, ConfigFile } from "@stanzapack/component";
import type { Account } from "../demo/publishers.js";

/** Where the server's component port is, and what the component is to keep to. */
export interface ComponentStart {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  readonly limits: ConfigFile["limits"];
}

/** What the component's process does when asked. */
export type ComponentMethods = {
  /** Resolves when the server took it; gives every limit, defaults too. */
  start(options: ComponentStart): Promise<ComponentLimits>;
  stats(request: null): ComponentStats;
};

/** How to log in. */
export interface Road {
  readonly url: string;
  /** PEM of the authority to trust. */
  readonly ca: string;
  /** Domain of the component. */
  readonly component: string;
}

/** What came of what was published in one phase. */
export interface PhaseResult {
  /** Of each service. */
  readonly published: readonly number[];
  /** That all subscribers together got, and of those they should have got, did not; of these, left out on purpose. */
  readonly updates: number;
  readonly missing: number;
  readonly conflated: number;
  /** From `publish` to the subscriber's callback, in ms. */
  readonly ageP50Ms: number | null;
  readonly ageP99Ms: number | null;
}

/** Since a moment that was told by `mark`. */
export interface Returned {
  readonly subscribers: number;
  /** Those who have had something of every service that was published since. */
  readonly back: number;
  /** When each of them had, in ms since the moment, in order. */
  readonly backMs: readonly number[];
  /** Whose links ended. */
  readonly interrupted: number;
}

/** What a crowd's process does when asked: a publisher of a value and a log, and those who take both. */
export type CrowdMethods = {
  /** Logs the publisher in and offers; gives the nodes. */
  offer(options: { readonly account: Account; readonly road: Road }): Promise<string[]>;
  /** Logs them in, ten at once; each subscribes to all. */
  gather(options: {
    readonly accounts: readonly Account[];
    readonly road: Road;
    readonly windowMs: number;
  }): Promise<void>;
  /** So many updates a second of each service. */
  publish(options: { readonly perSecond: number }): void;
  /** What is published from now on is of another phase; gives its number, from 0. */
  begin(request: null): number;
  /** Stops publishing, and waits until all have what they are to get, or so long. */
  settle(options: { readonly timeoutMs: number }): Promise<void>;
  result(options: { readonly phase: number }): PhaseResult;
  /** From here `returned` counts. */
  mark(request: null): void;
  returned(request: null): Returned;
  /**
   * Positions that were neither got nor told of, were told twice, came out of order, or with another's value; and, of logs, were
   * told as lost.
   */
  faults(request: null): { readonly positions: number; readonly logLost: number; readonly valueLost: number };
};

/** Who makes trouble; each in a process of its own. */
export const OFFENDERS = ["stuck", "stopped", "flood", "churn", "links", "costly"] as const;
export type Offender = (typeof OFFENDERS)[number];

/** What it did so far: updates published or got, subscriptions made, links opened; and what was refused. */
export interface Trouble {
  readonly done: number;
  readonly refused: number;
}

/** What an offender's process does when asked. */
export type OffenderMethods = {
  /** Begins. Resolves when it makes trouble. */
  begin(options: {
    readonly offender: Offender;
    readonly accounts: readonly Account[];
    readonly road: Road;
    /** Of the bystanders. */
    readonly nodes: readonly string[];
    readonly windowMs: number;
  }): Promise<void>;
  count(request: null): Trouble;
  /** Ends it, and logs out. */
  end(request: null): Promise<void>;
};

export type { Account };
