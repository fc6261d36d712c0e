import { randomUUID } from "node:crypto";
import { monotonicNow } from "@stanzapack/xmpp";
import { RedisLink, type RedisServer } from "./redis-link.js";

/** Time between two messages of the subscriber to itself, in ms. */
const BEAT_MS = 1_000;
/** Longest time without one, in ms. Then the connection counts as dead: nothing else shows that nothing arrives. */
const SILENT_MS = 5_000;

interface Listener {
  readonly onMessage: (message: Uint8Array) => void;
  readonly onGap: () => void;
}

export interface SubscriberParts {
  readonly server: RedisServer;
  /** Begins the channel of the messages to itself. */
  readonly prefix: string;
  /** Sends a message on another connection, if there is one. Returns false if there is none. */
  readonly publish: (channel: string, message: Buffer) => boolean;
}

/**
 * Receives the messages of channels, on a connection of its own. After each break of the connection it takes its
 * channels again, and tells all listeners that messages may be lost.
 */
export class Subscriber {
  private readonly listeners = new Map<string, Listener>();
  private readonly link: RedisLink;
  private readonly beatChannel: string;
  private heardAt = 0;
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(private readonly parts: SubscriberParts) {
    this.beatChannel = `${parts.prefix}{${randomUUID()}}:beat`;
    this.link = new RedisLink(parts.server, {
      check: () => Promise.resolve(),
      onUp: () => void this.resume(),
      onDown: () => undefined,
    });
  }

  start(): void {
    this.link.start();
    this.timer = setInterval(() => this.beat(), BEAT_MS).unref();
  }

  /** Resolves when Redis has agreed, or at once if there is no connection: then `onGap` is called later. */
  async listen(
    channel: string,
    onMessage: (message: Uint8Array) => void,
    onGap: () => void,
  ): Promise<{ stop(): void }> {
    const listener = { onMessage, onGap };
    this.listeners.set(channel, listener);
    if (this.link.up)
      await this.take(channel, listener).catch(() => this.link.renew("a channel was refused"));
    return {
      stop: () => {
        if (this.listeners.get(channel) !== listener) return;
        this.listeners.delete(channel);
        this.link.unlisten(channel);
      },
    };
  }

  private take(channel: string, listener: Listener): Promise<void> {
    return this.link.listen(channel, (message) => {
      if (this.listeners.get(channel) === listener) listener.onMessage(message);
    });
  }

  private async resume(): Promise<void> {
    this.heardAt = monotonicNow();
    try {
      await this.link.listen(this.beatChannel, () => (this.heardAt = monotonicNow()));
      const taken = [...this.listeners];
      await Promise.all(taken.map(([channel, listener]) => this.take(channel, listener)));
      for (const [channel, listener] of taken) if (this.listeners.get(channel) === listener) listener.onGap();
    } catch {
      this.link.renew("channels were refused");
    }
  }

  private beat(): void {
    if (!this.link.up) return;
    const sent = this.parts.publish(this.beatChannel, Buffer.from("."));
    // Without the other connection, nothing can be said of this one.
    if (!sent) this.heardAt = monotonicNow();
    else if (monotonicNow() - this.heardAt > SILENT_MS)
      this.link.renew(`no message has come for ${SILENT_MS} ms`);
  }

  async stop(): Promise<void> {
    if (this.stopped) return;
    this.stopped = true;
    clearInterval(this.timer);
    this.listeners.clear();
    await this.link.close();
  }
}
