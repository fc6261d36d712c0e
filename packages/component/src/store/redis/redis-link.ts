import { createClient, DisconnectsClientError, RESP_TYPES, type RedisClientType } from "@redis/client";
import { monotonicNow } from "@stanzapack/xmpp";
import type { Script } from "./script.js";
import { SCRIPTS } from "./scripts.js";
import { describeFailure, needsNewConnection, RedisAway } from "./trouble.js";

/** Longest time until a connection is made and greeted, in ms. */
const CONNECT_MS = 5_000;
/** Longest time without any answer while commands wait for answers, in ms. Then the connection counts as dead. */
const SILENT_MS = 5_000;
/** Time between two looks at that, in ms. */
const LOOK_MS = 250;
/** First and longest pause before the next connection, in ms. A random part keeps nodes from coming back together. */
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 2_000;

/** A reply as Redis sends it. Texts are buffers, and numbers are numbers. */
export type Reply = null | number | Buffer | string | readonly Reply[];

/** Sends one command. Rejects with `RedisAway` or `store-failed`. */
export type Send = (args: readonly (string | Buffer)[]) => Promise<Reply>;

/** How to reach Redis. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
  readonly tls?: { readonly ca?: string | undefined; readonly servername?: string | undefined } | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Sentinels that know the primary `master`. Then `host` and `port` do not count. */
  readonly sentinels?: readonly { readonly host: string; readonly port: number }[] | undefined;
  readonly master?: string | undefined;
}

export interface LinkHooks {
  /** Checks a new connection before it is used. Rejects if it must not be used. */
  readonly check: (send: Send) => Promise<void>;
  /** The connection is ready. */
  readonly onUp: () => void;
  /** The connection is lost, or could not be made. The link goes on trying. */
  readonly onDown: (error: Error) => void;
}

type Client = RedisClientType<Record<never, never>, Record<never, never>, Record<never, never>, 2>;

/**
 * One connection to Redis, made anew whenever it is lost. A command is sent once: the caller decides whether to send it
 * again. Commands are answered in their order.
 */
export class RedisLink {
  private client: Client | undefined;
  private isUp = false;
  private closed = false;
  private attempts = 0;
  private timer: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  /** Commands that wait for an answer. */
  private pending = 0;
  /** When the last answer came, or when the first command began to wait, by the monotonic clock, in ms. */
  private heardAt = 0;
  /** Why this process has ended the last connection. */
  private reason: Error | undefined;

  constructor(
    private readonly server: RedisServer,
    private readonly hooks: LinkHooks,
  ) {}

  get up(): boolean {
    return this.isUp;
  }

  /** Begins to connect. */
  start(): void {
    void this.connect();
  }

  /** Sends a command. Rejects with `RedisAway` or `store-failed`. */
  readonly send: Send = (args) => {
    const { client } = this;
    if (client === undefined || !this.isUp)
      return Promise.reject(new RedisAway("there is no connection to Redis"));
    return this.sendBy(client, args);
  };

  /** Runs a script. Rejects with `RedisAway` or `store-failed`. */
  run(script: Script, keys: readonly string[], args: readonly (string | Buffer)[]): Promise<Reply> {
    return this.send(["EVALSHA", script.sha, String(keys.length), ...keys, ...args]);
  }

  /**
   * Receives the messages of a sharded channel until the connection is lost. Rejects with `RedisAway` or
   * `store-failed`. A connection with a channel takes no commands.
   */
  async listen(channel: string, onMessage: (message: Buffer) => void): Promise<void> {
    const { client } = this;
    if (client === undefined || !this.isUp) throw new RedisAway("there is no connection to Redis");
    try {
      await deadline(client.sSubscribe(channel, onMessage, true), SILENT_MS);
    } catch (error) {
      throw describeFailure(error);
    }
  }

  /** Receives the messages of this channel no more. */
  unlisten(channel: string): void {
    if (this.isUp) this.client?.sUnsubscribe(channel).catch(() => undefined);
  }

  /** Ends the connection, because it does not work any more. A new one is made. */
  renew(why: string): void {
    if (this.isUp) this.lose(new RedisAway(why));
  }

  /** Waits for the answers to what was sent, for `SILENT_MS` at most, and closes the connection. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.timer);
    const { client } = this;
    if (client !== undefined && this.isUp) await deadline(client.close(), SILENT_MS).catch(() => undefined);
    this.end();
  }

  private async connect(): Promise<void> {
    let client: Client | undefined;
    try {
      const place = await this.locate();
      if (this.closed) return;
      const made = (client = createConnection(this.server, place));
      this.client = made;
      made.on("error", (error: Error) => {
        // A connection that is being made rejects by itself.
        if (this.client === made && this.isUp) this.lose(error);
      });
      await deadline(made.connect(), CONNECT_MS);
      this.beginWatch(made);
      const send: Send = (args) => this.sendBy(made, args);
      const [role] = (await send(["ROLE"])) as readonly Reply[];
      if (String(role) !== "master") throw new RedisAway(`${place.host}:${place.port} is a replica`);
      for (const { text } of SCRIPTS) await send(["SCRIPT", "LOAD", text]);
      await this.hooks.check(send);
      if (this.closed || this.client !== made) return;
      this.attempts = 0;
      this.isUp = true;
      this.hooks.onUp();
    } catch (error) {
      if (this.closed || (client !== undefined && this.client !== client)) return;
      this.lose(error);
    }
  }

  /** Returns the address of the primary. Asks the sentinels in turns, if there are any. */
  private async locate(): Promise<{ readonly host: string; readonly port: number }> {
    const { host, port, sentinels = [], master = "" } = this.server;
    let problem: Error | undefined;
    for (const sentinel of sentinels) {
      const client = createConnection({ ...sentinel, tls: this.server.tls }, sentinel);
      client.on("error", () => undefined);
      try {
        await deadline(client.connect(), CONNECT_MS);
        const asked = client.sendCommand<Reply>(["SENTINEL", "get-master-addr-by-name", master]);
        const found = (await deadline(asked, SILENT_MS)) as readonly Reply[] | null;
        if (found !== null) return { host: String(found[0]), port: Number(String(found[1])) };
        problem = new RedisAway(
          `the sentinel ${sentinel.host}:${sentinel.port} knows no master \`${master}\``,
        );
      } catch (error) {
        problem = describeFailure(error);
      } finally {
        client.destroy();
      }
    }
    if (problem !== undefined) throw problem;
    return { host, port };
  }

  private async sendBy(client: Client, args: readonly (string | Buffer)[]): Promise<Reply> {
    if (this.pending++ === 0) this.heardAt = monotonicNow();
    try {
      return await client.sendCommand<Reply>(args);
    } catch (error) {
      const isOurs = error instanceof DisconnectsClientError;
      const failure = (isOurs ? this.reason : undefined) ?? describeFailure(error);
      if (needsNewConnection(error) && this.client === client && this.isUp) this.lose(failure);
      throw failure;
    } finally {
      this.pending--;
      this.heardAt = monotonicNow();
    }
  }

  /** Ends a connection that has been silent for too long: a stopped Redis keeps its connections open. */
  private beginWatch(client: Client): void {
    clearInterval(this.watch);
    this.watch = setInterval(() => {
      if (this.client !== client || this.pending === 0 || monotonicNow() - this.heardAt < SILENT_MS) return;
      const error = (this.reason = new RedisAway(`Redis has not answered for ${SILENT_MS} ms`));
      if (this.isUp) this.lose(error);
      // The connection is not ready yet: this ends the attempt.
      else client.destroy();
    }, LOOK_MS).unref();
  }

  private lose(error: unknown): void {
    const reason = (this.reason = describeFailure(error));
    this.end();
    if (this.closed) return;
    this.hooks.onDown(reason);
    const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** this.attempts++);
    this.timer = setTimeout(() => void this.connect(), pause * (0.5 + Math.random() / 2));
  }

  private end(): void {
    this.isUp = false;
    clearInterval(this.watch);
    const { client } = this;
    this.client = undefined;
    client?.destroy();
  }
}

function createConnection(
  { tls, username, password }: RedisServer,
  { host, port }: { readonly host: string; readonly port: number },
): Client {
  const common = { host, port, connectTimeout: CONNECT_MS, reconnectStrategy: false as const };
  return createClient({
    RESP: 2,
    socket: tls === undefined ? common : { ...common, tls: true, ...defined(tls) },
    ...defined({ username, password }),
    ...{ disableOfflineQueue: true, disableClientInfo: true, maintNotifications: "disabled" },
    commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
  }) as unknown as Client;
}

function defined<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** Rejects with `RedisAway` if the result is not there in time. */
async function deadline<T>(result: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new RedisAway(`Redis has not answered for ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([result, late]);
  } finally {
    clearTimeout(timer);
    // What comes later is nobody's.
    result.catch(() => undefined);
  }
}
