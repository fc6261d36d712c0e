import { setTimeout as sleep } from "node:timers/promises";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Durability } from "../../options/service-config.js";
import { storeFailed } from "../base/failure.js";
import type { Keys } from "./keys.js";
import { RedisLink, type RedisServer, type Send } from "./redis-link.js";
import { checkServer } from "./server-check.js";
import { RedisAway } from "./trouble.js";
import { Writes } from "./writes.js";

/** How long a caller waits for Redis, in ms, before a request is refused. Changes of open services wait without end. */
const PATIENCE_MS = 10_000;
/** Time between two tries of a request, in ms. */
const RETRY_MS = 100;
/** How long Redis waits for its replicas, in ms. */
const REPLICAS_MS = 1_000;

export interface ConnectionOptions {
  readonly server: RedisServer;
  readonly keys: Keys;
  /** Replicas that must have an update with durability `sync`. 0: none. */
  readonly replicas: number;
  readonly onProblem: (error: unknown) => void;
  readonly onWarning: (text: string) => void;
  /** Redis was restarted, or another one is the primary: it may have less than before. */
  readonly onRestarted: () => void;
}

/** The connections of a store to Redis, and the writes that leave on them. */
export class Connections {
  readonly link: RedisLink;
  readonly writes: Writes;
  /** Writes that wait for replicas have a connection of their own: `WAIT` holds up what comes after it. */
  private readonly safeLink: RedisLink;
  private readonly safeWrites: Writes;
  /** Why the last connection was lost, or could not be made. */
  private refusal: Error | undefined;
  private hasWarned = false;
  /** The run of Redis that was connected last. */
  private run: string | undefined;
  private hasRun = false;
  private isClosing = false;

  constructor(private readonly options: ConnectionOptions) {
    const { onProblem, replicas } = options;
    const writesTo = (link: RedisLink, needed: number): Writes =>
      new Writes(link, { replicas: needed, replicasMs: REPLICAS_MS, onProblem });
    this.link = this.linkFor(() => this.writes);
    this.writes = writesTo(this.link, 0);
    this.safeLink = replicas === 0 ? this.link : this.linkFor(() => this.safeWrites);
    this.safeWrites = replicas === 0 ? this.writes : writesTo(this.safeLink, replicas);
  }

  private linkFor(writes: () => Writes): RedisLink {
    const { server, keys, onWarning, onRestarted } = this.options;
    const warn = (text: string): void => {
      if (!this.hasWarned) onWarning(text);
      this.hasWarned = true;
    };
    return new RedisLink(server, {
      check: async (send) => {
        const run = await checkServer(send, keys, warn);
        const isSame = run !== undefined && run === this.run;
        if (this.hasRun && !isSame) onRestarted();
        [this.run, this.hasRun] = [run, true];
      },
      onUp: () => {
        this.refusal = undefined;
        writes().resume();
      },
      onDown: (error) => {
        this.refusal = error;
        writes().fail(error);
      },
    });
  }

  start(): void {
    for (const link of new Set([this.link, this.safeLink])) link.start();
  }

  /** Why nothing can be written. Undefined: the last write succeeded. */
  get problem(): string | undefined {
    return this.writes.problem ?? this.safeWrites.problem;
  }

  writesOf(durability: Durability): Writes {
    return durability === "sync" ? this.safeWrites : this.writes;
  }

  /** Asks Redis until it answers, for `PATIENCE_MS`. Rejects with `store-failed`. What `ask` does may be done twice. */
  async ask<T>(ask: (send: Send) => Promise<T>): Promise<T> {
    for (const until = monotonicNow() + PATIENCE_MS; ; await sleep(RETRY_MS)) {
      try {
        if (this.link.up) return await ask(this.link.send);
        // Waiting does not help.
        if (this.refusal !== undefined && !(this.refusal instanceof RedisAway)) throw this.refusal;
      } catch (error) {
        if (!(error instanceof RedisAway)) throw error;
      }
      if (monotonicNow() > until || this.isClosing) throw this.silent();
    }
  }

  /** Waits until a condition holds, for `PATIENCE_MS`. Rejects with `store-failed`. */
  async until(condition: () => boolean): Promise<void> {
    for (const until = monotonicNow() + PATIENCE_MS; !condition(); await sleep(RETRY_MS / 10))
      if (monotonicNow() > until) throw this.silent();
  }

  private silent(): Error {
    return storeFailed(
      `Redis does not answer: ${this.refusal?.message ?? this.problem ?? "there is no connection"}`,
      "Start Redis, or correct `store.host` and `store.port`. The component continues by itself.",
      this.refusal,
    );
  }

  /** Waits until everything is written, for `PATIENCE_MS`, and closes. Rejects with `store-failed`. */
  async close(): Promise<void> {
    this.isClosing = true;
    try {
      await this.until(() => this.writes.idle && this.safeWrites.idle);
    } finally {
      await this.end();
    }
  }

  /** Closes, and drops what waits. */
  async end(): Promise<void> {
    this.isClosing = true;
    for (const writes of [this.writes, this.safeWrites]) writes.stop();
    await Promise.all([this.link.close(), this.safeLink.close()]);
  }
}
