// Messages between the crash proof and the two programs that it kills. Each program has a process of its own.
import type { CommandEnd } from "./command-witness.js";
import type { Entry } from "./map-load.js";
import type { Verified } from "./map-watch.js";

/** Names of the services that the publisher offers. */
export const NAMES = { sync: "sync-log", interval: "interval-log", map: "stock", value: "private" } as const;
/** The logs, by their durability. */
export const LOGS = ["sync", "interval"] as const;
export type LogName = (typeof LOGS)[number];
/** Name of the cursor in the log with `sync`. */
export const CURSOR = "place";
/** Name of the publisher's method. */
export const METHOD = "note";
/** Key of the map that a command changes. */
export const NOTED = "noted";

/** Updates a second of each log: enough for the kills, since `Crew` has the load. */
export const RESIDENT_RATE = 20;
/** Seed of all values of the logs. */
export const VALUES_SEED = 7;

export interface Login {
  readonly jid: string;
  readonly password: string;
  readonly component: string;
  readonly url: string;
  readonly ca: string;
}

interface Start {
  readonly login: Login;
  /** Directory of the outbox store. */
  readonly location: string;
  readonly seed: number;
}

export interface PublisherStart extends Start {
  /** Bare JID that is approved. */
  readonly approved: string;
}

export interface SubscriberStart extends Start {
  /** Bare JID of the publisher. */
  readonly publisher: string;
  /** Behind which the log with `interval` is read. Null: from its first update on. */
  readonly since: { readonly epoch: number; readonly offset: number } | null;
  /** Number of the last command that may be queued. */
  readonly lastCommand: number;
}

/** What a program is told. The first message is its start. */
export type Order = "load" | "rest" | "look" | "verify";

export type LogCounts = Readonly<Record<LogName, number>>;

/** What both programs say. */
export type CommonReport =
  | { readonly type: "ready" }
  | { readonly type: "fault"; readonly text: string }
  | { readonly type: "offline" };

export type PublisherReport =
  | CommonReport
  /** `published`: last number of each log. `kept`: of these, how many the component has acknowledged. */
  | { readonly type: "counts"; readonly published: LogCounts; readonly kept: LogCounts }
  /** Last number of the logs that is in the outbox store. */
  | { readonly type: "saved"; readonly saved: LogCounts }
  | { readonly type: "asked"; readonly jid: string }
  | { readonly type: "ran"; readonly n: number }
  /** It publishes nothing more. `entries`: its map, told again when a command has changed it. */
  | { readonly type: "resting"; readonly published: LogCounts; readonly entries: readonly [string, Entry][] };

export type SubscriberReport =
  | CommonReport
  | {
      readonly type: "update";
      readonly log: LogName;
      readonly of: readonly [n: number, epoch: number, offset: number];
    }
  | {
      readonly type: "told";
      readonly log: LogName;
      readonly what: "lost" | "conflated" | "reset";
      readonly from: number;
      readonly to: number;
    }
  /** The commands that were in the store. */
  | { readonly type: "pending"; readonly pending: readonly number[] }
  | { readonly type: "queueing"; readonly n: number }
  | { readonly type: "queued"; readonly n: number }
  | ({ readonly type: "ended"; readonly n: number } & CommandEnd)
  | { readonly type: "resting" }
  /** `map`: its copy. `view`: the copy with the expected changes of commands. */
  | {
      readonly type: "state";
      readonly synced: boolean;
      readonly map: readonly [string, Entry][];
      readonly view: readonly [string, Entry][];
    }
  /** What `verify` of its copy returned, or why it failed. */
  | { readonly type: "verified"; readonly result: Verified };
