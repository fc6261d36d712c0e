import { EventEmitter } from "@xmpp/events";
import type { ByteCount } from "./byte-meter.js";
import { XmppError } from "../base/errors.js";
import { splitFrames } from "./framing.js";
import { isLoopback } from "./service-url.js";
import type { TransportSocket } from "./transport.js";
import { openWebSocket, type RawWebSocket, type WebSocketOptions } from "./websocket.node.js";

/** Interval at which a WebSocket with waiting bytes is checked, in ms. A WebSocket has no event for an empty buffer. */
const DRAIN_POLL_MS = 20;

const utf8 = new TextEncoder();

/** One XMPP stream over one WebSocket (RFC 7395). Its XMPP bytes are the messages' payloads. */
export class WebSocketSocket extends EventEmitter implements TransportSocket {
  readonly kind = "websocket";
  readonly framed = true;
  readonly secure: boolean;
  #raw: RawWebSocket | undefined;
  #xmpp = { received: 0, sent: 0 };
  #drainTimer: ReturnType<typeof setInterval> | undefined;
  #closed = false;
  #onGone: (() => void) | undefined;

  constructor(secure: boolean) {
    super();
    this.secure = secure;
    // Without any listener a late error would end the process.
    this.on("error", () => undefined);
  }

  async open(url: URL, options: WebSocketOptions, signal: AbortSignal): Promise<void> {
    this.#raw = await openWebSocket(
      url,
      options,
      {
        onText: (text, byteCount) => {
          this.#xmpp.received += byteCount;
          if (!this.#closed) this.emit("data", text);
        },
        onClose: (error) => {
          this.#onClose(error);
        },
      },
      signal,
    );
  }

  #onClose(error: XmppError | undefined): void {
    clearInterval(this.#drainTimer);
    this.#onGone?.();
    if (this.#closed) return;
    this.#closed = true;
    if (error !== undefined) this.emit("error", error);
    this.emit("close");
  }

  write(text: string, done?: (error?: Error | null) => void): boolean {
    if (this.#raw === undefined || this.#closed) {
      done?.(new XmppError("disconnected", "the WebSocket is closed"));
      return false;
    }
    for (const frame of splitFrames(text)) {
      this.#xmpp.sent += utf8.encode(frame).length;
      this.#raw.send(frame);
    }
    done?.();
    if (this.waitingBytes > 0) this.#awaitDrain();
    return this.waitingBytes === 0;
  }

  #awaitDrain(): void {
    this.#drainTimer ??= setInterval(() => {
      if (this.waitingBytes > 0) {
        // There is room long before the last byte is sent.
        this.emit("drain");
        return;
      }
      clearInterval(this.#drainTimer);
      this.#drainTimer = undefined;
      this.emit("drain");
    }, DRAIN_POLL_MS);
  }

  get waitingBytes(): number {
    return this.#raw?.bufferedAmount ?? 0;
  }

  get received(): ByteCount {
    return { xmpp: this.#xmpp.received, socket: this.#raw?.socketBytes?.received ?? this.#xmpp.received };
  }

  get sent(): ByteCount {
    return { xmpp: this.#xmpp.sent, socket: this.#raw?.socketBytes?.sent ?? this.#xmpp.sent };
  }

  end(): void {
    this.#raw?.close();
  }

  destroySoon(withinMs: number): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.destroy();
        resolve();
      };
      const timer = setTimeout(finish, withinMs);
      this.#onGone = finish;
      if (this.#raw === undefined || this.#closed) finish();
      else this.#raw.close();
    });
  }

  destroy(): void {
    clearInterval(this.#drainTimer);
    this.#closed = true;
    this.#raw?.terminate();
  }
}

/**
 * Opens a WebSocket to `ws://…` or `wss://…`. Rejects with `XmppError`, or with the signal's reason at once when
 * the signal aborts.
 */
export async function connectWebSocket(
  url: URL,
  options: WebSocketOptions,
  signal: AbortSignal,
): Promise<WebSocketSocket> {
  const socket = new WebSocketSocket(url.protocol === "wss:" || isLoopback(url));
  await socket.open(url, options, signal);
  return socket;
}
