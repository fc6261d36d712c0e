import { EventEmitter } from "node:events";
import net from "node:net";
import tls from "node:tls";
import type { ByteCount } from "./byte-meter.js";
import { XmppError } from "../base/errors.js";
import { createStreamCompression, type StreamCompression } from "./stream-compression.js";
import { toXmppError } from "../stanzas/stream-errors.js";
import type { TransportSocket } from "./transport.js";

export interface TlsOptions {
  /** Domain of the certificate (RFC 6120 §13.7.2.1) and server name in TLS (SNI), in ASCII. */
  readonly domain: string;
  readonly secureContext?: tls.SecureContext | undefined;
  /** Protocols to offer when TLS begins with the first byte (RFC 7301). Default: none. */
  readonly alpn?: readonly string[];
  /** Sessions that the next handshake may resume. A resumed handshake saves a round trip and the certificates. */
  readonly sessions?: TlsSessions | undefined;
}

/**
 * Most characters in one flush of the compression. A flush waits until the kernel has taken the flush before it. With
 * Stream Management, no more characters than this are ever sent and unread (`COMPRESSED_OUT_CHARS` says why). Without
 * Stream Management, the bound keeps most reads of the server small enough.
 */
const FLUSH_CHARS = 65_536;

/**
 * The newest session of each server (RFC 8446 §2.2). Node does not verify the certificate of a resumed session again.
 * So the key must name the domain or host for which the certificate was verified. Connections that trust other
 * authorities must not share the map.
 */
export type TlsSessions = Map<string, Buffer>;

/** Silence after which TCP sends probes, in ms. They find a peer that vanished without closing the connection. */
const KEEP_ALIVE_MS = 30_000;

/**
 * One TCP connection of a stream, with the events that xmpp.js expects of a socket. The connection may change to TLS.
 * `data` has text: a character that is split across packets is emitted whole.
 */
export class StreamSocket extends EventEmitter implements TransportSocket {
  readonly kind = "tcp";
  readonly framed = false;
  /** xmpp.js reads `secure`. */
  secure = false;
  /** The TLS session was resumed from an earlier connection. */
  tlsResumed = false;
  readonly #tcp = new net.Socket();
  #current: net.Socket = this.#tcp;
  #decoder = createDecoder();
  #xmpp = { received: 0, sentBeforeTls: 0 };
  #compression: StreamCompression | undefined;
  /**
   * Text that is compressed in one piece, at the end of this tick or when the kernel has taken the piece before it.
   * `forKernel` is true while it waits for the kernel.
   */
  #waiting = {
    text: "",
    done: [] as ((error?: Error | null) => void)[],
    timer: undefined as NodeJS.Immediate | undefined,
    forKernel: false,
  };
  #ending = false;
  #destroyed = false;

  constructor() {
    super();
    this.#tcp.setNoDelay(true);
    this.#tcp.setKeepAlive(true, KEEP_ALIVE_MS);
    this.#listen(this.#tcp);
    // Without any listener a late error would end the process.
    this.on("error", ignore);
  }

  /** Resolves when TCP is connected; rejects with the socket's error. */
  connect(host: string, port: number): Promise<void> {
    return this.#until("connect", () => this.#tcp.connect({ host, port, noDelay: true }));
  }

  /**
   * Resolves when TLS is established and the certificate is verified. Unencrypted data that arrives after this call is
   * not read as XMPP. `direct`: the connection begins with TLS, so `alpn` is offered.
   */
  async startTls({ domain, secureContext, sessions, alpn }: TlsOptions, direct = false): Promise<void> {
    this.#unlisten(this.#tcp);
    this.#xmpp.sentBeforeTls = this.#tcp.bytesWritten;
    this.#decoder = createDecoder();
    const sessionKey = `xmpp:${domain}`;
    const session = sessions?.get(sessionKey);
    const secured = tls.connect({
      socket: this.#tcp,
      ...(session && { session }),
      // An address cannot be a server name (RFC 6066 §3).
      ...(net.isIP(domain) === 0 ? { servername: domain } : { host: domain }),
      ...(secureContext && { secureContext }),
      ...(direct && alpn !== undefined && { ALPNProtocols: [...alpn] }),
    });
    secured.on("session", (fresh) => sessions?.set(sessionKey, fresh));
    this.#current = secured;
    this.#listen(secured);
    // The TLS socket reports the errors of the TCP socket. This listener keeps Node from throwing them as well.
    this.#tcp.on("error", ignore);
    await this.#until("secureConnect", () => undefined);
    this.secure = true;
    this.tlsResumed = secured.isSessionReused();
  }

  get compressed(): boolean {
    return this.#compression !== undefined;
  }

  /**
   * Compresses both directions from now on (XEP-0138 §3). TLS never compresses as well: Node has no compression in
   * TLS. One flush holds everything that is written in one tick of the event loop, because each flush costs bytes. Ten
   * stanzas in one flush take half of the bytes that they take alone.
   */
  startCompression(): void {
    this.#compression = createStreamCompression();
    this.#decoder = createDecoder();
  }

  #until(event: string, begin: () => void): Promise<void> {
    const socket = this.#current;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void) => () => {
        socket.off(event, onEvent);
        this.off("error", onError);
        this.off("close", onClose);
        settle();
      };
      const onEvent = finish(resolve);
      const onError = (error: Error): void => {
        finish(() => {
          reject(error);
        })();
      };
      const onClose = finish(() => {
        reject(new Error("the connection was closed"));
      });
      socket.on(event, onEvent);
      this.on("error", onError);
      this.on("close", onClose);
      begin();
    });
  }

  readonly #onData = (chunk: Buffer): void => {
    this.#xmpp.received += chunk.length;
    if (this.#compression === undefined) {
      this.#onText(chunk);
      return;
    }
    try {
      this.#compression.inflate(chunk, (slice) => {
        this.#onText(slice);
        // Data after a stanza that ended the stream need not be inflated.
        return !this.#ending;
      });
    } catch (error) {
      if (!this.#ending) this.emit("error", error);
    }
  };
  #onText(bytes: Uint8Array): void {
    let text: string;
    try {
      text = this.#decoder.decode(bytes, { stream: true });
    } catch (cause) {
      // RFC 6120 §11.6. Bad bytes are not replaced: a replacement could not be told from what the peer wrote.
      this.emit("error", new XmppError("protocol", "the server sent text that is not UTF-8", { cause }));
      return;
    }
    if (text !== "") this.emit("data", text);
  }
  readonly #onDrain = (): void => void this.emit("drain");
  readonly #onClose = (): void => void this.emit("close");
  readonly #onError = (error: Error): void => void this.emit("error", error);

  #listen(socket: net.Socket): void {
    socket
      .on("data", this.#onData)
      .on("drain", this.#onDrain)
      .on("close", this.#onClose)
      .on("error", this.#onError);
  }

  #unlisten(socket: net.Socket): void {
    socket
      .off("data", this.#onData)
      .off("drain", this.#onDrain)
      .off("close", this.#onClose)
      .off("error", this.#onError);
  }

  write(text: string, done?: (error?: Error | null) => void): boolean {
    if (this.#compression === undefined) return this.#current.write(text, "utf8", done);
    this.#waiting.text += text;
    if (done !== undefined) this.#waiting.done.push(done);
    if (!this.#waiting.forKernel) this.#flushSoon();
    return !this.#current.writableNeedDrain;
  }

  #flushSoon(): void {
    this.#waiting.timer ??= setImmediate(() => {
      this.#flush(FLUSH_CHARS);
    });
  }

  /**
   * Compresses and writes up to `maxChars` of the waiting text. The rest follows when the kernel has taken this part.
   */
  #flush(maxChars: number): void {
    const { text, timer } = this.#waiting;
    clearImmediate(timer);
    this.#waiting.timer = undefined;
    if (text === "" || this.#compression === undefined) return;
    const part = headOf(text, maxChars);
    const last = part.length === text.length;
    const done = last ? this.#waiting.done : [];
    this.#waiting.text = text.slice(part.length);
    if (last) this.#waiting.done = [];
    else this.#waiting.forKernel = true;
    const room = this.#current.write(this.#compression.deflate(part), (error) => {
      for (const tell of done) tell(error);
      if (last) return;
      this.#waiting.forKernel = false;
      if (!this.#ending) this.#flushSoon();
    });
    // The text waited, not its bytes. Compressed, it may be so small that the socket has nothing to drain.
    if (room) this.emit("drain");
  }

  /** Bytes that wait for the kernel, and characters that wait for compression. */
  get waitingBytes(): number {
    return this.#current.writableLength + this.#waiting.text.length;
  }

  get received(): ByteCount {
    return { xmpp: this.#xmpp.received, socket: this.#tcp.bytesRead };
  }

  get sent(): ByteCount {
    const current = this.#current;
    const xmpp =
      current === this.#tcp ? current.bytesWritten : this.#xmpp.sentBeforeTls + current.bytesWritten;
    return { xmpp, socket: this.#tcp.bytesWritten };
  }

  /** xmpp.js calls `end` to close the connection. */
  end(): void {
    this.#flush(Number.POSITIVE_INFINITY);
    this.#current.end();
  }

  /**
   * Closes the connection once everything written is sent, or after `withinMs` at the latest. TLS loses written data
   * when its socket is destroyed at once.
   */
  destroySoon(withinMs: number): Promise<void> {
    this.#ending = true;
    this.#flush(Number.POSITIVE_INFINITY);
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.destroy();
        resolve();
      };
      const timer = setTimeout(finish, withinMs);
      this.#current.end(finish);
    });
  }

  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = this.#ending = true;
    clearImmediate(this.#waiting.timer);
    this.#current.destroy();
    this.#tcp.destroy();
  }
}

/** At most the first `maxChars` characters of `text`. Never cuts a pair of surrogates. */
function headOf(text: string, maxChars: number): string {
  if (text.length <= maxChars) return text;
  const last = text.charCodeAt(maxChars - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? maxChars - 1 : maxChars);
}

const ignore = (): void => undefined;

const createDecoder = () => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The newest context, kept for the next connection. Reading all of Node's authorities takes some 50 ms of CPU. */
let lastContext: { readonly ca: string; readonly context: tls.SecureContext } | undefined;

/** Returns a context that trusts `ca` and Node's authorities. Without `ca`: `undefined`, for Node's default context. */
export function createSecureContext(ca: string | undefined): tls.SecureContext | undefined {
  if (ca === undefined) return undefined;
  if (lastContext?.ca !== ca) {
    lastContext = { ca, context: tls.createSecureContext({ ca: [...tls.rootCertificates, ca] }) };
  }
  return lastContext.context;
}

/**
 * Returns a connected socket. With `tlsFirst`, the connection begins with TLS. Rejects with `XmppError`, or with the
 * signal's reason at once when the signal aborts.
 */
export async function connectSocket(
  { host, port }: { readonly host: string; readonly port: number },
  tlsFirst: TlsOptions | undefined,
  signal: AbortSignal,
): Promise<StreamSocket> {
  signal.throwIfAborted();
  const socket = new StreamSocket();
  const onAbort = (): void => {
    socket.destroy();
  };
  signal.addEventListener("abort", onAbort, { once: true });
  let stage: "connect" | "tls" = "connect";
  try {
    await socket.connect(host, port);
    if (tlsFirst !== undefined) {
      stage = "tls";
      await socket.startTls(tlsFirst, true);
    }
    return socket;
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : toXmppError(error, stage);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
