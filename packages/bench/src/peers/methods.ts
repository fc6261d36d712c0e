import type { ComponentLimits, ComponentStats, ConfigFile } from "@stanzapack/component";
import type { Account } from "../demo/publishers.js";

/** Port of the server for components, and the component's limits. */
export interface ComponentStart {
  readonly domain: string;
  readonly secret: string;
  readonly host: string;
  readonly port: number;
  readonly limits: ConfigFile["limits"];
}

/** Requests that the component's process answers. */
export type ComponentMethods = {
  /** Resolves when the server has accepted the component. Returns every limit, with defaults. */
  start(options: ComponentStart): Promise<ComponentLimits>;
  stats(request: null): ComponentStats;
  /** When links were opened so far, in ms of one clock, in order. */
  openedAt(request: null): readonly number[];
};

/** How to log in. */
export interface Road {
  readonly url: string;
  /** PEM of the authority to trust. */
  readonly ca: string;
  /** Domain of the component. */
  readonly component: string;
}

/** Results of one phase's updates. */
export interface PhaseResult {
  /** Number of updates published, for each service. */
  readonly published: readonly number[];
  /**
   * Number of updates that all subscribers together received; that they should have received and did not; and, of
   * these, that were left out on purpose.
   */
  readonly updates: number;
  readonly missing: number;
  readonly conflated: number;
  /** Ages from `publish` to the subscriber's callback, in ms. */
  readonly ageP50Ms: number | null;
  readonly ageP99Ms: number | null;
}

/** Results since the moment of `mark`. */
export interface Returned {
  readonly subscribers: number;
  /** Subscribers that have received a later update of every service. */
  readonly back: number;
  /** Times at which each of them had, in ms since the moment, in order. */
  readonly backMs: readonly number[];
  /** Subscribers whose links ended. */
  readonly interrupted: number;
}

/** Requests that a crowd's process answers. A crowd is a publisher of a value and a log, and subscribers of both. */
export type CrowdMethods = {
  /** Logs the publisher in and offers the services. Returns the nodes. */
  offer(options: { readonly account: Account; readonly road: Road }): Promise<string[]>;
  /** Logs the subscribers in, ten at once. Each subscribes to all services. */
  gather(options: {
    readonly accounts: readonly Account[];
    readonly road: Road;
    readonly windowMs: number;
  }): Promise<void>;
  /** Publishes this number of updates a second in each service. */
  publish(options: { readonly perSecond: number }): void;
  /** Begins a new phase for all later updates. Returns its number, from 0. */
  begin(request: null): number;
  /** Stops publishing, and waits until all subscribers have received everything, or for `timeoutMs`. */
  settle(options: { readonly timeoutMs: number }): Promise<void>;
  result(options: { readonly phase: number }): PhaseResult;
  /** Sets the moment from which `returned` counts. */
  mark(request: null): void;
  returned(request: null): Returned;
  /**
   * Positions that were neither received nor reported, were reported twice, arrived out of order, or had another
   * position's value. Also positions of logs, and of values, that were reported as lost.
   */
  faults(request: null): { readonly positions: number; readonly logLost: number; readonly valueLost: number };
};

/** The offenders. Each has its own process. */
export const OFFENDERS = ["stuck", "stopped", "flood", "churn", "links", "costly"] as const;
export type Offender = (typeof OFFENDERS)[number];

/**
 * Operations of an offender so far: updates published or received, subscriptions made, links opened; and how many were
 * refused.
 */
export interface Trouble {
  readonly done: number;
  readonly refused: number;
}

/** Requests that an offender's process answers. */
export type OffenderMethods = {
  /** Begins. Resolves when the offender makes trouble. */
  begin(options: {
    readonly offender: Offender;
    readonly accounts: readonly Account[];
    readonly road: Road;
    /** The bystanders' nodes. */
    readonly nodes: readonly string[];
    readonly windowMs: number;
  }): Promise<void>;
  count(request: null): Trouble;
  /** Ends the trouble, and logs out. */
  end(request: null): Promise<void>;
};

export type { Account };
