import "../base/require-begin.node.js";
import type { createConnection, Socket } from "node:net";
import { WebSocket } from "ws";
import { dial, type Dialed } from "./dial.node.js";
import { XmppError } from "../base/errors.js";
import { toXmppError } from "../stanzas/stream-errors.js";
import type { TlsOptions } from "./stream-socket.node.js";

/** One WebSocket. It has only what a stream needs. */
export interface RawWebSocket {
  /** Bytes that wait for the network. */
  readonly bufferedAmount: number;
  /** Bytes of the connection below the WebSocket; undefined when the runtime does not count them. */
  readonly socketBytes: { readonly received: number; readonly sent: number } | undefined;
  send(text: string): void;
  close(): void;
  /** Closes without a close frame. In browsers it is the same as `close`. */
  terminate(): void;
}

export interface WebSocketEvents {
  readonly onText: (text: string, byteCount: number) => void;
  readonly onClose: (error: XmppError | undefined) => void;
}

export interface WebSocketOptions {
  readonly tls: TlsOptions;
  /** Largest accepted message, in bytes. A larger one closes the connection. */
  readonly maxMessageBytes: number;
}

/**
 * Opens a WebSocket with the subprotocol `xmpp` (RFC 7395 §3.1). Rejects with `XmppError`, or with the signal's reason
 * when the signal aborts.
 */
export async function openWebSocket(
  url: URL,
  { tls, maxMessageBytes }: WebSocketOptions,
  events: WebSocketEvents,
  signal: AbortSignal,
): Promise<RawWebSocket> {
  const dialed: Dialed = await dial(url, tls, signal);
  const websocket = new WebSocket(url, ["xmpp"], {
    // No server has the extension, and its windows would take more memory than the stream.
    perMessageDeflate: false,
    followRedirects: false,
    maxPayload: maxMessageBytes,
    createConnection: (() => dialed.socket) as unknown as typeof createConnection,
  });
  let failure: XmppError | undefined;
  await new Promise<void>((resolve, reject) => {
    websocket.once("open", resolve);
    websocket.on("error", (error) => {
      const fault = toFault(error);
      failure ??= fault;
      reject(fault);
    });
    // Before `open`, ws emits `close` only after an error. After `open` the promise is settled already.
    websocket.once("close", () => {
      reject(new XmppError("unreachable", "the WebSocket was closed before it was open"));
    });
  }).catch((error: unknown) => {
    websocket.terminate();
    dialed.tcp.destroy();
    throw signal.aborted ? signal.reason : error;
  });
  websocket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) {
      // RFC 7395 §3.2
      failure ??= new XmppError("protocol", "the server sent a binary WebSocket message");
      websocket.terminate();
      return;
    }
    events.onText(data.toString("utf8"), data.length);
  });
  websocket.on("close", () => {
    dialed.tcp.destroy();
    events.onClose(failure);
  });
  return {
    get bufferedAmount() {
      return websocket.bufferedAmount;
    },
    get socketBytes() {
      return countBytes(dialed.tcp);
    },
    send(text) {
      if (websocket.readyState === WebSocket.OPEN) websocket.send(text);
    },
    close: () => {
      websocket.close(1000);
    },
    terminate: () => {
      websocket.terminate();
      dialed.tcp.destroy();
    },
  };
}

function countBytes(tcp: Socket): { received: number; sent: number } {
  return { received: tcp.bytesRead, sent: tcp.bytesWritten };
}

function toFault(error: Error): XmppError {
  const { code } = error as { code?: unknown };
  if (typeof code === "string" && code.startsWith("WS_ERR_")) {
    return new XmppError("protocol", `the server's WebSocket message was refused: ${error.message}`, {
      cause: error,
    });
  }
  return toXmppError(error, "connect");
}
